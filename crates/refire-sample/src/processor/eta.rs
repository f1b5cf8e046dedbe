use super::keep::drop_where;
use super::{LogitsProcessor, Scratch, TokenContext};
use crate::softmax::Softmax;

/// Drops tokens less likely than `min(epsilon, sqrt(epsilon) exp(-H))`, with H the entropy (Hewitt
/// et al. 2022), as in transformers' `EtaLogitsWarper`. The likeliest stay.
///
/// ```
/// use refire_sample::{EtaCutoff, LogitsProcessor, Scratch, TokenContext};
/// let mut logits = [0.99_f32.ln(), 0.01_f32.ln()];
/// EtaCutoff::new(0.2).process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert_eq!(logits[1], f32::NEG_INFINITY);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EtaCutoff {
    epsilon: f64,
    min_keep: usize,
}

impl EtaCutoff {
    /// With `epsilon` above 0 and below 1.
    pub fn new(epsilon: f32) -> Self {
        Self { epsilon: f64::from(epsilon), min_keep: 1 }
    }

    /// Keeps at least `n` tokens; ties with the last of them stay.
    pub fn with_min_keep(mut self, n: usize) -> Self {
        self.min_keep = n.max(1);
        self
    }
}

impl LogitsProcessor for EtaCutoff {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        let Some(softmax) = Softmax::of(logits) else { return };
        let by_entropy = self.epsilon.sqrt() * (-softmax.entropy(logits)).exp();
        let eta = self.epsilon.min(by_entropy);
        let drop = |x| softmax.probability(x) < eta;
        drop_where(logits, self.min_keep, &mut scratch.values, drop);
    }
}
