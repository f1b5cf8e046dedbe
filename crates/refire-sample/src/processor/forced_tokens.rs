use super::{LogitsProcessor, Scratch, TokenContext};

/// Forces the first tokens of a completion, as transformers' `ForcedBOSTokenLogitsProcessor` does
/// for one.
///
/// ```
/// use refire_sample::{ForcedTokens, LogitsProcessor, Scratch, TokenContext};
/// let mut logits = [1.0, 2.0];
/// let mut forced = ForcedTokens::new(vec![1, 0]);
/// forced.process(&TokenContext::new(&[3], &[1]), &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [0.0, f32::NEG_INFINITY]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForcedTokens {
    tokens: Vec<u32>,
}

impl ForcedTokens {
    /// A completion begins with these tokens.
    pub fn new(tokens: Vec<u32>) -> Self {
        Self { tokens }
    }
}

impl LogitsProcessor for ForcedTokens {
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        let Some(token) = self.tokens.get(context.output.len()) else { return };
        logits.fill(f32::NEG_INFINITY);
        if let Some(x) = logits.get_mut(*token as usize) {
            *x = 0.0;
        }
    }
}
