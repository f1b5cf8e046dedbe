use super::{LogitsProcessor, TokenContext};

/// Forbids the end tokens before the completion has `min_tokens` tokens, as in transformers'
/// `MinNewTokensLengthLogitsProcessor`.
///
/// ```
/// use refire_sample::{LogitsProcessor, MinTokens, TokenContext};
/// let mut logits = [1.0, 2.0, 3.0];
/// let context = TokenContext { prompt: &[1], output: &[1] };
/// MinTokens::new(2, vec![2]).process(&context, &mut logits);
/// assert_eq!(logits, [1.0, 2.0, f32::NEG_INFINITY]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinTokens {
    min_tokens: usize,
    end_tokens: Vec<u32>,
}

impl MinTokens {
    /// No token of `end_tokens` before `min_tokens` tokens.
    pub fn new(min_tokens: usize, end_tokens: Vec<u32>) -> Self {
        Self { min_tokens, end_tokens }
    }
}

impl LogitsProcessor for MinTokens {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32]) {
        if context.output.len() >= self.min_tokens {
            return;
        }
        for token in &self.end_tokens {
            if let Some(x) = logits.get_mut(*token as usize) {
                *x = f32::NEG_INFINITY;
            }
        }
    }
}
