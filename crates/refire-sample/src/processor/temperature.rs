use super::{LogitsProcessor, Scratch, TokenContext};

/// `logits / temperature`, as in transformers' `TemperatureLogitsWarper`; beyond the largest number
/// a finite logit stays finite.
///
/// ```
/// use refire_sample::{LogitsProcessor, Scratch, Temperature, TokenContext};
/// let mut logits = [1.0, -2.0];
/// let mut half = Temperature::new(0.5);
/// half.process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [2.0, -4.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temperature {
    temperature: f32,
}

impl Temperature {
    /// Divides by a positive temperature. Greedy decoding (temperature 0) is
    /// [`Sampler`](crate::Sampler)'s own path: here 0 and 1 leave the logits as they are.
    pub fn new(temperature: f32) -> Self {
        Self { temperature }
    }

    /// What the logits are divided by.
    pub(crate) fn divisor(&self) -> f32 {
        if self.temperature > 0.0 { self.temperature } else { 1.0 }
    }
}

impl LogitsProcessor for Temperature {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        let divisor = self.divisor();
        if divisor != 1.0 {
            logits.iter_mut().for_each(|x| *x = scaled(*x, divisor));
        }
    }
}

/// A certain token, whose logit is the largest number, must not become one that counts as broken.
pub(crate) fn scaled(logit: f32, divisor: f32) -> f32 {
    let quotient = logit / divisor;
    if quotient == f32::INFINITY && logit.is_finite() { f32::MAX } else { quotient }
}
