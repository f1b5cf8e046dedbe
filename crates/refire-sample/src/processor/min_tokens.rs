use super::{LogitsProcessor, Scratch, TokenContext, forbid};

/// Forbids the end tokens before the completion has `min_tokens` tokens, as in transformers'
/// `MinNewTokensLengthLogitsProcessor`; counting the prompt too, its `MinLengthLogitsProcessor`.
///
/// ```
/// use refire_sample::{LogitsProcessor, MinTokens, Scratch, TokenContext};
/// let mut logits = [1.0, 2.0, 3.0];
/// let context = TokenContext::new(&[1], &[1]);
/// MinTokens::new(2, vec![2]).process(&context, &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [1.0, 2.0, f32::NEG_INFINITY]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinTokens {
    min_tokens: usize,
    end_tokens: Vec<u32>,
    prompt: bool,
}

impl MinTokens {
    /// No token of `end_tokens` before `min_tokens` tokens.
    pub fn new(min_tokens: usize, end_tokens: Vec<u32>) -> Self {
        Self { min_tokens, end_tokens, prompt: false }
    }

    /// Counts the prompt's tokens too, as transformers' `min_length`.
    pub fn counting_prompt(self) -> Self {
        Self { prompt: true, ..self }
    }
}

impl LogitsProcessor for MinTokens {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        let tokens = if self.prompt { context.len() } else { context.output.len() };
        if tokens < self.min_tokens {
            forbid(logits, &self.end_tokens);
        }
    }
}
