use super::{LogitsProcessor, Scratch, TokenContext};
use crate::softmax::Softmax;

/// Keeps the tokens whose surprise is nearest the entropy, up to a probability (Meister et al.
/// 2022), as in transformers' `TypicalLogitsWarper`.
///
/// Tokens are taken in the order of `|-log p - H|` until their probability reaches the mass; ties
/// with the last one stay. The likeliest token may go.
///
/// ```
/// use refire_sample::{LogitsProcessor, Scratch, TokenContext, TypicalP};
/// let mut logits = [0.6_f32.ln(), 0.3_f32.ln(), 0.1_f32.ln()];
/// TypicalP::new(0.25).process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert!(logits[0] == f32::NEG_INFINITY && logits[1].is_finite());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TypicalP {
    mass: f64,
    min_keep: usize,
}

impl TypicalP {
    /// Keeps a probability of `mass`, above 0 and below 1.
    pub fn new(mass: f32) -> Self {
        Self { mass: f64::from(mass), min_keep: 1 }
    }

    /// Keeps at least `n` tokens, the most typical ones.
    pub fn with_min_keep(mut self, n: usize) -> Self {
        self.min_keep = n.max(1);
        self
    }
}

impl LogitsProcessor for TypicalP {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        let Some(softmax) = Softmax::of(logits) else { return };
        let entropy = softmax.entropy(logits);
        let pairs = &mut scratch.pairs;
        let live = logits.iter().zip(0..).filter(|(x, _)| **x != f32::NEG_INFINITY);
        let shift = |x: f32| (-softmax.logprob(x) - entropy).abs() as f32;
        pairs.clear();
        pairs.extend(live.map(|(x, token)| (shift(*x), token)));
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (mut mass, mut last) = (0.0, pairs.len());
        for (rank, (_, token)) in pairs.iter().enumerate() {
            mass += softmax.probability(logits[*token as usize]);
            if mass >= self.mass {
                last = rank;
                break;
            }
        }
        let Some((bound, _)) = pairs.get(last).copied() else { return };
        for (shift, token) in &pairs[self.min_keep.min(pairs.len())..] {
            if *shift > bound {
                logits[*token as usize] = f32::NEG_INFINITY;
            }
        }
    }
}
