use super::{LogitsProcessor, TokenContext};

/// Keeps the smallest set of tokens whose probability reaches p, as in transformers'
/// `TopPLogitsWarper`.
///
/// In ascending order, tokens go while the cumulative probability is at most `1 - p`; of equal
/// logits the lower ids go first. At least one token stays.
///
/// ```
/// use refire_sample::{LogitsProcessor, TokenContext, TopP};
/// let mut logits = [0.5_f32.ln(), 0.3_f32.ln(), 0.2_f32.ln()];
/// let context = TokenContext { prompt: &[], output: &[] };
/// TopP::new(0.7).process(&context, &mut logits);
/// assert!(logits[1].is_finite() && logits[2] == f32::NEG_INFINITY);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TopP {
    p: f64,
    min_keep: usize,
    candidates: Vec<(f32, u32)>,
}

impl TopP {
    /// Keeps a probability of `p`, from 0 to 1.
    pub fn new(p: f32) -> Self {
        Self { p: f64::from(p), min_keep: 1, candidates: Vec::new() }
    }

    /// Keeps at least `n` tokens.
    pub fn with_min_keep(mut self, n: usize) -> Self {
        self.min_keep = n.max(1);
        self
    }
}

impl LogitsProcessor for TopP {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32]) {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if self.min_keep >= logits.len() || !max.is_finite() {
            return;
        }
        let weight = |x: f32| f64::from(x - max).exp();
        let total: f64 = logits.iter().map(|x| weight(*x)).sum();
        let limit = (1.0 - self.p) * total;
        // All tokens lighter than `limit / vocab` together stay within the limit: they go unsorted.
        let mut cut = max + (limit / logits.len() as f64).ln() as f32;
        self.collect(logits, cut);
        if self.candidates.len() < self.min_keep {
            cut = f32::NEG_INFINITY;
            self.collect(logits, cut);
        }
        self.candidates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let heavy: f64 = self.candidates.iter().map(|(x, _)| weight(*x)).sum();
        let mut dropped = total - heavy;
        logits.iter_mut().filter(|x| **x <= cut).for_each(|x| *x = f32::NEG_INFINITY);
        let last = self.candidates.len().saturating_sub(self.min_keep);
        for (x, token) in &self.candidates[..last] {
            dropped += weight(*x);
            if dropped > limit {
                break;
            }
            logits[*token as usize] = f32::NEG_INFINITY;
        }
    }
}

impl TopP {
    /// Gathers the tokens above `cut`.
    fn collect(&mut self, logits: &[f32], cut: f32) {
        let pairs = logits.iter().zip(0..).filter(|(x, _)| **x > cut);
        self.candidates.clear();
        self.candidates.extend(pairs.map(|(x, token)| (*x, token)));
    }
}
