use super::{LogitsProcessor, Scratch, TokenContext};

/// Forbids every token but these, as vLLM's `allowed_token_ids`.
///
/// ```
/// use refire_sample::{AllowedTokens, LogitsProcessor, Scratch, TokenContext};
/// let mut logits = [1.0, 2.0, 3.0];
/// let mut allowed = AllowedTokens::new(vec![2, 0]);
/// allowed.process(&TokenContext::default(), &mut logits, &mut Scratch::default());
/// assert_eq!(logits, [1.0, f32::NEG_INFINITY, 3.0]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedTokens {
    tokens: Vec<u32>,
}

impl AllowedTokens {
    /// Allows these tokens.
    pub fn new(mut tokens: Vec<u32>) -> Self {
        tokens.sort_unstable();
        tokens.dedup();
        Self { tokens }
    }
}

impl LogitsProcessor for AllowedTokens {
    fn process(&mut self, _context: &TokenContext<'_>, logits: &mut [f32], _scratch: &mut Scratch) {
        let mut next = 0;
        for token in &self.tokens {
            let token = (*token as usize).min(logits.len());
            logits[next..token].fill(f32::NEG_INFINITY);
            next = (token + 1).min(logits.len());
        }
        logits[next..].fill(f32::NEG_INFINITY);
    }
}
