use super::{LogitsProcessor, Scratch, TokenContext, forbid};

/// Forbids some tokens, as transformers' `SuppressTokensLogitsProcessor`.
///
/// ```
/// use refire_sample::{LogitsProcessor, Scratch, SuppressTokens, TokenContext};
/// let mut logits = [1.0, 2.0];
/// let mut suppress = SuppressTokens::new(vec![1]);
/// suppress.process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [1.0, f32::NEG_INFINITY]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuppressTokens {
    tokens: Vec<u32>,
}

impl SuppressTokens {
    /// Forbids these tokens.
    pub fn new(tokens: Vec<u32>) -> Self {
        Self { tokens }
    }
}

impl LogitsProcessor for SuppressTokens {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        forbid(logits, &self.tokens);
    }
}
