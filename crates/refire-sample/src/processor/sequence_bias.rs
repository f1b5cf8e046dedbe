use super::{LogitsProcessor, Scratch, TokenContext};
use refire_core::SequenceBias;

/// Adds to the logits of tokens that complete a sequence, as transformers'
/// `SequenceBiasLogitsProcessor`; biases on one token add up.
///
/// ```
/// use refire_core::SequenceBias;
/// use refire_sample::{LogitsProcessor, Scratch, SequenceBiases, TokenContext};
/// let mut logits = [1.0, 2.0, 3.0];
/// let mut biases = SequenceBiases::new(vec![SequenceBias { tokens: vec![7, 1], bias: -0.5 }]);
/// biases.process(&TokenContext::new(&[5], &[7]), &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [1.0, 1.5, 3.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceBiases {
    biases: Vec<SequenceBias>,
}

impl SequenceBiases {
    /// Adds these biases.
    pub fn new(biases: Vec<SequenceBias>) -> Self {
        Self { biases }
    }
}

impl LogitsProcessor for SequenceBiases {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        for SequenceBias { tokens, bias } in &self.biases {
            let Some((last, before)) = tokens.split_last() else { continue };
            if let Some(x) = logits.get_mut(*last as usize)
                && context.ends_with(before)
            {
                *x += bias;
            }
        }
    }
}
