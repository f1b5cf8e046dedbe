use super::keep::kth_largest;
use super::{LogitsProcessor, Scratch, TokenContext};

/// Keeps the k largest logits, as in transformers' `TopKLogitsWarper`: ties with the k-th stay.
///
/// ```
/// use refire_sample::{LogitsProcessor, Scratch, TokenContext, TopK};
/// let mut logits = [1.0, 3.0, 2.0, 2.0, 0.0];
/// TopK::new(2).process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// let none = f32::NEG_INFINITY;
/// assert_eq!(logits, [none, 3.0, 2.0, 2.0, none]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopK {
    k: usize,
}

impl TopK {
    /// Keeps the `k` largest; at least one.
    pub fn new(k: usize) -> Self {
        Self { k: k.max(1) }
    }

    /// Keeps at least `n` tokens.
    pub fn with_min_keep(mut self, n: usize) -> Self {
        self.k = self.k.max(n);
        self
    }
}

impl LogitsProcessor for TopK {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        if self.k < logits.len() {
            let kth = kth_largest(logits, self.k, &mut scratch.values);
            logits.iter_mut().filter(|x| **x < kth).for_each(|x| *x = f32::NEG_INFINITY);
        }
    }
}
