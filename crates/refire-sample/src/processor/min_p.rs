use super::{LogitsProcessor, Scratch, TokenContext};

/// Drops tokens less likely than `min_p` times the most likely one, as in transformers'
/// `MinPLogitsWarper`.
///
/// ```
/// use refire_sample::{LogitsProcessor, MinP, Scratch, TokenContext};
/// let mut logits = [0.0, -1.0, -5.0];
/// MinP::new(0.1).process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [0.0, -1.0, f32::NEG_INFINITY]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MinP {
    min_p: f64,
    min_keep: usize,
}

impl MinP {
    /// Drops below `min_p` times the maximum, from 0 to 1.
    pub fn new(min_p: f32) -> Self {
        Self { min_p: f64::from(min_p), min_keep: 1 }
    }

    /// Keeps at least `n` tokens, the most likely ones; of equals the lower ids.
    pub fn with_min_keep(mut self, n: usize) -> Self {
        self.min_keep = n.max(1);
        self
    }
}

impl LogitsProcessor for MinP {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if self.min_keep >= logits.len() || !max.is_finite() {
            return;
        }
        let drop = |x: f32| f64::from(x - max).exp() < self.min_p;
        // One token always stays: the maximum is never below `min_p` times itself.
        if self.min_keep > 1 {
            let pairs = &mut scratch.pairs;
            pairs.clear();
            pairs.extend(logits.iter().copied().zip(0..));
            let before = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
            pairs.select_nth_unstable_by(self.min_keep - 1, before);
            for (x, token) in &pairs[self.min_keep..] {
                if drop(*x) {
                    logits[*token as usize] = f32::NEG_INFINITY;
                }
            }
        } else {
            logits.iter_mut().filter(|x| drop(**x)).for_each(|x| *x = f32::NEG_INFINITY);
        }
    }
}
