use super::{LogitsProcessor, Scratch, TokenContext};
use refire_core::LengthDecay;

/// Raises the end tokens exponentially once a completion is long, as transformers'
/// `ExponentialDecayLengthPenalty`.
///
/// After `start` tokens an end token's logit `x` becomes `x + |x| (factor^(n - start) - 1)`; a
/// logit that isn't finite stays.
///
/// ```
/// use refire_core::LengthDecay;
/// use refire_sample::{LengthDecayPenalty, LogitsProcessor, Scratch, TokenContext};
/// let mut logits = [-1.0, 2.0];
/// let decay = LengthDecay { start: 1, factor: 2.0 };
/// let context = TokenContext::new(&[5], &[1, 1, 1]);
/// let mut penalty = LengthDecayPenalty::new(decay, vec![0]);
/// penalty.process(&context, &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [2.0, 2.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LengthDecayPenalty {
    decay: LengthDecay,
    end_tokens: Vec<u32>,
}

impl LengthDecayPenalty {
    /// Raises `end_tokens`.
    pub fn new(decay: LengthDecay, end_tokens: Vec<u32>) -> Self {
        Self { decay, end_tokens }
    }
}

impl LogitsProcessor for LengthDecayPenalty {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        let beyond = context.output.len().saturating_sub(self.decay.start);
        if beyond == 0 {
            return;
        }
        let growth = f64::from(self.decay.factor).powf(beyond as f64) - 1.0;
        for token in &self.end_tokens {
            match logits.get_mut(*token as usize) {
                Some(x) if x.is_finite() => {
                    let raised = f64::from(*x) + f64::from(x.abs()) * growth;
                    // Beyond the largest number it would count as broken, not as certain.
                    *x = raised.min(f64::from(f32::MAX)) as f32;
                }
                _ => {}
            }
        }
    }
}
