//! Logits processors: each changes the logits of one token position in place.

mod chain;
mod min_p;
mod min_tokens;
mod temperature;
mod top_k;
mod top_p;

pub use chain::Chain;
pub use min_p::MinP;
pub use min_tokens::MinTokens;
pub use temperature::Temperature;
pub use top_k::TopK;
pub use top_p::TopP;

use std::fmt::Debug;

/// What precedes the token that is about to be drawn.
#[derive(Debug, Clone, Copy)]
pub struct TokenContext<'a> {
    /// Tokens of the prompt.
    pub prompt: &'a [u32],
    /// Tokens of the completion so far.
    pub output: &'a [u32],
}

/// Changes the logits of one position; `-inf` forbids a token.
///
/// One instance serves one completion, so it may keep buffers and state between its tokens.
pub trait LogitsProcessor: Debug + Send {
    /// Changes `logits` (`[vocab]`) in place.
    fn process(&mut self, context: &TokenContext<'_>, logits: &mut [f32]);
}
