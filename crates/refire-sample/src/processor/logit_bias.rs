use super::{LogitsProcessor, Scratch, TokenContext};
use std::collections::BTreeMap;

/// Adds to the logits of single tokens, as OpenAI's and vLLM's `logit_bias`.
///
/// ```
/// use refire_sample::{LogitBias, LogitsProcessor, Scratch, TokenContext};
/// let mut logits = [1.0, 2.0];
/// let mut bias = LogitBias::new([(1, -100.0)].into());
/// bias.process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [1.0, -98.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LogitBias {
    biases: BTreeMap<u32, f32>,
}

impl LogitBias {
    /// Adds these biases.
    pub fn new(biases: BTreeMap<u32, f32>) -> Self {
        Self { biases }
    }
}

impl LogitsProcessor for LogitBias {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        for (token, bias) in &self.biases {
            if let Some(x) = logits.get_mut(*token as usize) {
                *x += bias;
            }
        }
    }
}
