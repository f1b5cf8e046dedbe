use super::{LogitsProcessor, Scratch, TokenContext};
use crate::softmax::Softmax;

/// Tokens that are looked at.
const FIRST: usize = 100;

/// Keeps the likeliest tokens up to a share of the entropy (Top-H, arXiv 2509.02510), as in
/// transformers' `TopHLogitsWarper`.
///
/// Among the 100 likeliest, renormalised, tokens stay while the sum of `-p log p` is at most
/// `top_h` times the whole; the likeliest always stays.
///
/// ```
/// use refire_sample::{LogitsProcessor, Scratch, TokenContext, TopH};
/// let mut logits = [0.0, 0.0, -1.0, -9.0];
/// TopH::new(0.9).process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [0.0, 0.0, f32::NEG_INFINITY, f32::NEG_INFINITY]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopH {
    share: f64,
}

impl TopH {
    /// Keeps a share of the entropy, above 0 and at most 1.
    pub fn new(share: f32) -> Self {
        Self { share: f64::from(share) }
    }
}

impl LogitsProcessor for TopH {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        let (pairs, values) = (&mut scratch.pairs, &mut scratch.values);
        let before = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        pairs.clear();
        pairs.extend(logits.iter().copied().zip(0..));
        if pairs.len() > FIRST {
            pairs.select_nth_unstable_by(FIRST - 1, before);
            pairs.truncate(FIRST);
        }
        pairs.sort_unstable_by(before);
        values.clear();
        values.extend(pairs.iter().map(|(x, _)| *x));
        let Some(softmax) = Softmax::of(values) else { return };
        let bound = self.share * softmax.entropy(values);
        let mut sum = 0.0;
        let stays = pairs.iter().take_while(|(x, _)| {
            let p = softmax.probability(*x);
            sum += if p > 0.0 { -p * softmax.logprob(*x) } else { 0.0 };
            // The sum of all terms must reach a share of 1 whatever its rounding.
            sum <= bound * (1.0 + 1e-12)
        });
        let stays = stays.count().max(1);
        logits.fill(f32::NEG_INFINITY);
        for (x, token) in &pairs[..stays] {
            logits[*token as usize] = *x;
        }
    }
}
