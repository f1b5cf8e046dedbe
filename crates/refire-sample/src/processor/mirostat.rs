use super::keep::kth_largest;
use super::{LogitsProcessor, Scratch, TokenContext};
use crate::softmax::Softmax;
use refire_core::{Mirostat, MirostatVersion};

/// Tokens from which version 1 estimates the exponent.
const FIRST: usize = 100;

/// Holds the surprise of the drawn tokens near a target (Basu et al. 2021), as in llama.cpp.
///
/// Version 2 drops tokens whose surprise `-log2 p` is above `mu`; version 1 keeps the
/// `k = ((s-1) 2^mu / (1 - V^(1-s)))^(1/s)` likeliest, with `s` the exponent of a Zipf law fitted to
/// the first 100. One token always stays. After a draw of surprise `x` in bits, among what was left,
/// `mu -= eta (x - tau)`.
///
/// It must come last, since the surprise it hears of is that of the draw.
///
/// ```
/// use refire_core::Mirostat;
/// use refire_sample::{LogitsProcessor, MirostatWarper, Scratch, TokenContext};
/// let mut mirostat = MirostatWarper::new(Mirostat { tau: 1.0, ..Mirostat::default() });
/// let mut logits = [0.5_f32.ln(), 0.4_f32.ln(), 0.1_f32.ln()];
/// mirostat.process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert!(logits[1].is_finite() && logits[2] == f32::NEG_INFINITY, "3.3 bits are above 2");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MirostatWarper {
    mirostat: Mirostat,
    mu: f64,
}

impl MirostatWarper {
    /// At its beginning, `mu = 2 tau`.
    pub fn new(mirostat: Mirostat) -> Self {
        Self { mirostat, mu: 2.0 * f64::from(mirostat.tau) }
    }

    /// The bound as it stands, in bits.
    pub fn mu(&self) -> f64 {
        self.mu
    }

    /// How many tokens version 1 keeps.
    fn count(&self, softmax: &Softmax, vocab: usize, largest: &[f32]) -> usize {
        let (mut up, mut down) = (0.0, 0.0);
        for (i, pair) in largest.windows(2).enumerate() {
            let t = ((i + 2) as f64 / (i + 1) as f64).ln();
            up += t * (softmax.logprob(pair[0]) - softmax.logprob(pair[1]));
            down += t * t;
        }
        let s = up / down;
        let epsilon = s - 1.0;
        let k = epsilon * self.mu.exp2() / (1.0 - (vocab as f64).powf(-epsilon));
        let k = k.powf(1.0 / s);
        // A flat row has no exponent: nothing is dropped.
        if k.is_finite() { (k as usize).max(1) } else { vocab }
    }
}

impl LogitsProcessor for MirostatWarper {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], scratch: &mut Scratch) {
        let Some(softmax) = Softmax::of(logits) else { return };
        let values = &mut scratch.values;
        let bound = match self.mirostat.version {
            MirostatVersion::V1 => {
                let live = logits.iter().filter(|x| x.is_finite()).count();
                kth_largest(logits, FIRST.min(live), values);
                values.sort_unstable_by(|a, b| b.total_cmp(a));
                let k = self.count(&softmax, logits.len(), values);
                if k >= logits.len() {
                    return;
                }
                kth_largest(logits, k, values)
            }
            MirostatVersion::V2 => {
                let mut best = f32::NEG_INFINITY;
                let mut least = f32::INFINITY;
                for x in logits.iter().filter(|x| x.is_finite()) {
                    best = best.max(*x);
                    let bits = -softmax.logprob(*x) / std::f64::consts::LN_2;
                    if bits <= self.mu {
                        least = least.min(*x);
                    }
                }
                best.min(least)
            }
        };
        logits.iter_mut().filter(|x| **x < bound).for_each(|x| *x = f32::NEG_INFINITY);
    }

    fn observe(&mut self, _token: u32, logprob: f32) {
        let bits = -f64::from(logprob) / std::f64::consts::LN_2;
        self.mu -= f64::from(self.mirostat.eta) * (bits - f64::from(self.mirostat.tau));
    }
}
