use super::keep::drop_where;
use super::{LogitsProcessor, Scratch, TokenContext};
use crate::softmax::Softmax;

/// Drops tokens less likely than epsilon (Hewitt et al. 2022), as in transformers'
/// `EpsilonLogitsWarper`. The likeliest stay.
///
/// ```
/// use refire_sample::{EpsilonCutoff, LogitsProcessor, Scratch, TokenContext};
/// let mut logits = [0.9_f32.ln(), 0.1_f32.ln()];
/// EpsilonCutoff::new(0.2).process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert_eq!(logits[1], f32::NEG_INFINITY);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpsilonCutoff {
    epsilon: f64,
    min_keep: usize,
}

impl EpsilonCutoff {
    /// Drops below `epsilon`, above 0 and below 1.
    pub fn new(epsilon: f32) -> Self {
        Self { epsilon: f64::from(epsilon), min_keep: 1 }
    }

    /// Keeps at least `n` tokens; ties with the last of them stay.
    pub fn with_min_keep(mut self, n: usize) -> Self {
        self.min_keep = n.max(1);
        self
    }
}

impl LogitsProcessor for EpsilonCutoff {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        let Some(softmax) = Softmax::of(logits) else { return };
        let drop = |x| softmax.probability(x) < self.epsilon;
        drop_where(logits, self.min_keep, &mut scratch.values, drop);
    }
}
