use refire_core::BoxError;
use refire_model::TextCodec;
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

/// A codec, such as [`Tokenizer`](refire_model::Tokenizer), with the tokens that end a reply.
///
/// ```no_run
/// use burn::tensor::Device;
/// use refire_model::{LearnerConfig, Pretrained};
/// use refire_sample::{EngineConfig, LocalEngine, WithEndTokens};
/// use std::{path::Path, sync::Arc};
///
/// let model = Pretrained::open(Path::new("SmolLM2-135M-Instruct"), &Device::flex())?;
/// let learner = model.learner(LearnerConfig::default());
/// let end_tokens = model.end_tokens();
/// let codec = Arc::new(WithEndTokens { codec: model.tokenizer, end_tokens });
/// let engine = LocalEngine::new(learner.handle(), codec, EngineConfig::default())?;
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug, Clone)]
pub struct WithEndTokens<C> {
    /// Makes text of tokens.
    pub codec: C,
    /// Tokens that end a reply, beside those that a request names.
    pub end_tokens: Vec<u32>,
}

impl<C: TextCodec> Detokenize for WithEndTokens<C> {
    fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
        self.codec.decode(tokens)
    }
    fn end_tokens(&self) -> &[u32] {
        &self.end_tokens
    }
}
