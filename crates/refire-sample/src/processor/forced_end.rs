use super::{LogitsProcessor, Scratch, TokenContext};

/// Forces an end token where the length limit would cut the completion off, as transformers'
/// `ForcedEOSTokenLogitsProcessor`; of several end tokens each is as likely.
///
/// ```
/// use refire_sample::{ForcedEnd, LogitsProcessor, Scratch, TokenContext};
/// let mut logits = [1.0, 2.0];
/// let mut forced = ForcedEnd::new(3, vec![0]);
/// forced.process(&TokenContext::new(&[5], &[1, 1]), &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [0.0, f32::NEG_INFINITY]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForcedEnd {
    max_tokens: usize,
    end_tokens: Vec<u32>,
    prompt: bool,
}

impl ForcedEnd {
    /// Forces one of `end_tokens` as token `max_tokens` of the completion.
    pub fn new(max_tokens: usize, end_tokens: Vec<u32>) -> Self {
        Self { max_tokens, end_tokens, prompt: false }
    }

    /// Counts the prompt's tokens too, as transformers' `max_length`.
    pub fn counting_prompt(self) -> Self {
        Self { prompt: true, ..self }
    }
}

impl LogitsProcessor for ForcedEnd {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        let tokens = if self.prompt { context.len() } else { context.output.len() };
        if tokens + 1 != self.max_tokens || self.end_tokens.is_empty() {
            return;
        }
        logits.fill(f32::NEG_INFINITY);
        for token in &self.end_tokens {
            if let Some(x) = logits.get_mut(*token as usize) {
                *x = 0.0;
            }
        }
    }
}
