use refire_core::BoxError;
use std::sync::Arc;

/// What an engine asks of a tokenizer: text of tokens, and the tokens that end a reply.
///
/// Text is only ever made from tokens, for stop texts, rewards and logs; it is never encoded again.
pub trait Detokenize: Send + Sync {
    /// The text of some tokens; bytes that don't yet form a character become U+FFFD.
    ///
    /// # Errors
    /// For tokens without a text.
    fn text(&self, tokens: &[u32]) -> Result<String, BoxError>;

    /// The tokens that end a reply.
    fn end_tokens(&self) -> &[u32];
}

impl<T: Detokenize + ?Sized> Detokenize for Arc<T> {
    fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
        (**self).text(tokens)
    }
    fn end_tokens(&self) -> &[u32] {
        (**self).end_tokens()
    }
}

impl<T: Detokenize + ?Sized> Detokenize for Box<T> {
    fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
        (**self).text(tokens)
    }
    fn end_tokens(&self) -> &[u32] {
        (**self).end_tokens()
    }
}
