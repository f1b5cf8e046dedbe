use super::{LogitsProcessor, TokenContext};

/// Drops tokens less likely than `min_p` times the most likely one, as in transformers'
/// `MinPLogitsWarper`.
///
/// ```
/// use refire_sample::{LogitsProcessor, MinP, TokenContext};
/// let mut logits = [0.0, -1.0, -5.0];
/// let context = TokenContext { prompt: &[], output: &[] };
/// MinP::new(0.1).process(&context, &mut logits);
/// assert_eq!(logits, [0.0, -1.0, f32::NEG_INFINITY]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MinP {
    min_p: f64,
    min_keep: usize,
    order: Vec<u32>,
}

impl MinP {
    /// Drops below `min_p` times the maximum, from 0 to 1.
    pub fn new(min_p: f32) -> Self {
        Self { min_p: f64::from(min_p), min_keep: 1, order: Vec::new() }
    }

    /// Keeps at least `n` tokens, the most likely ones; of equals the lower ids.
    pub fn with_min_keep(mut self, n: usize) -> Self {
        self.min_keep = n.max(1);
        self
    }
}

impl LogitsProcessor for MinP {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32]) {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if self.min_keep >= logits.len() || !max.is_finite() {
            return;
        }
        let drop = |x: f32| f64::from(x - max).exp() < self.min_p;
        // One token always stays: the maximum is never below `min_p` times itself.
        if self.min_keep > 1 {
            let before = |a: &u32, b: &u32| {
                logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b))
            };
            self.order.clear();
            self.order.extend(0..logits.len() as u32);
            self.order.select_nth_unstable_by(self.min_keep - 1, before);
            self.order.drain(..self.min_keep);
            for token in &self.order {
                let x = &mut logits[*token as usize];
                *x = if drop(*x) { f32::NEG_INFINITY } else { *x };
            }
        } else {
            logits.iter_mut().filter(|x| drop(**x)).for_each(|x| *x = f32::NEG_INFINITY);
        }
    }
}
