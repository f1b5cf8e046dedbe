use super::{LogitsProcessor, TokenContext};

/// `logits / temperature`, as in transformers' `TemperatureLogitsWarper`.
///
/// ```
/// use refire_sample::{LogitsProcessor, Temperature, TokenContext};
/// let mut logits = [1.0, -2.0];
/// let context = TokenContext { prompt: &[], output: &[] };
/// Temperature::new(0.5).process(&context, &mut logits);
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
}

impl LogitsProcessor for Temperature {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32]) {
        if self.temperature != 1.0 && self.temperature > 0.0 {
            logits.iter_mut().for_each(|x| *x /= self.temperature);
        }
    }
}
