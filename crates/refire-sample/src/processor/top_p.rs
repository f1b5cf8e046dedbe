use super::{LogitsProcessor, Scratch, TokenContext};

/// Keeps the smallest set of tokens whose probability reaches p, as in transformers'
/// `TopPLogitsWarper`.
///
/// In ascending order, tokens go while the cumulative probability is at most `1 - p`; of equal
/// logits the lower ids go first. At least one token stays.
///
/// ```
/// use refire_sample::{LogitsProcessor, Scratch, TokenContext, TopP};
/// let mut logits = [0.5_f32.ln(), 0.3_f32.ln(), 0.2_f32.ln()];
/// TopP::new(0.7).process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert!(logits[1].is_finite() && logits[2] == f32::NEG_INFINITY);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopP {
    p: f64,
    min_keep: usize,
}

impl TopP {
    /// Keeps a probability of `p`, from 0 to 1.
    pub fn new(p: f32) -> Self {
        Self { p: f64::from(p), min_keep: 1 }
    }

    /// Keeps at least `n` tokens.
    pub fn with_min_keep(mut self, n: usize) -> Self {
        self.min_keep = n.max(1);
        self
    }
}

impl LogitsProcessor for TopP {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        let candidates = &mut scratch.pairs;
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if self.min_keep >= logits.len() || !max.is_finite() {
            return;
        }
        let weight = |x: f32| f64::from(x - max).exp();
        let total: f64 = logits.iter().map(|x| weight(*x)).sum();
        let limit = (1.0 - self.p) * total;
        // All tokens lighter than `limit / vocab` together stay within the limit: they go unsorted.
        let mut cut = max + (limit / logits.len() as f64).ln() as f32;
        collect(logits, cut, candidates);
        if candidates.len() < self.min_keep {
            cut = f32::NEG_INFINITY;
            collect(logits, cut, candidates);
        }
        candidates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let heavy: f64 = candidates.iter().map(|(x, _)| weight(*x)).sum();
        let mut dropped = total - heavy;
        logits.iter_mut().filter(|x| **x <= cut).for_each(|x| *x = f32::NEG_INFINITY);
        let last = candidates.len().saturating_sub(self.min_keep);
        for (x, token) in &candidates[..last] {
            dropped += weight(*x);
            if dropped > limit {
                break;
            }
            logits[*token as usize] = f32::NEG_INFINITY;
        }
    }
}

/// Gathers the tokens above `cut`.
fn collect(logits: &[f32], cut: f32, candidates: &mut Vec<(f32, u32)>) {
    let pairs = logits.iter().zip(0..).filter(|(x, _)| **x > cut);
    candidates.clear();
    candidates.extend(pairs.map(|(x, token)| (*x, token)));
}
