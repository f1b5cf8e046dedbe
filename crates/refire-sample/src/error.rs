use crate::DrawError;
use refire_core::{BoxError, CoreError, Finish};
use refire_model::ModelError;
use thiserror::Error;

/// What can go wrong while sampling.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SampleError {
    /// A field of the engine's configuration is out of its range.
    #[error("engine configuration: {0}")]
    Config(#[source] CoreError),
    /// The weights were released and not taken up again.
    #[error("the engine has no weights: call `refresh` after `release`")]
    NoWeights,
    /// A request whose sampling parameters are wrong.
    #[error("request {request}: {source}")]
    Params {
        /// Id of the request.
        request: u64,
        /// The first problem.
        source: CoreError,
    },
    /// A request for no completion at all.
    #[error("request {request} (prompt {prompt}) asks for 0 completions")]
    NoSamples {
        /// Id of the request.
        request: u64,
        /// Id of the prompt.
        prompt: u64,
    },
    /// A prompt without tokens.
    #[error("request {request}: prompt {prompt} has no tokens")]
    EmptyPrompt {
        /// Id of the request.
        request: u64,
        /// Id of the prompt.
        prompt: u64,
    },
    /// A prompt that leaves no room for a reply.
    #[error(
        "request {request}: prompt {prompt} has {tokens} tokens, the context of {context} leaves no room for a reply"
    )]
    PromptTooLong {
        /// Id of the request.
        request: u64,
        /// Id of the prompt.
        prompt: u64,
        /// Tokens of the prompt, with those of a completion to go on from.
        tokens: usize,
        /// Longest sequence of the model.
        context: usize,
    },
    /// A completion that needs more cache than there may be.
    #[error(
        "request {request} needs caches for {needed} tokens, `max_cache_tokens` is {most}: raise it, or ask for fewer tokens"
    )]
    CacheTokens {
        /// Id of the request.
        request: u64,
        /// Tokens of the prompt and of one completion, or of all beams.
        needed: usize,
        /// The most there may be.
        most: usize,
    },
    /// A guide, and an engine that has none.
    #[error(
        "request {request} has a guide: give the engine some by `LocalEngine::with_guides` (feature `guided`)"
    )]
    NoGuides {
        /// Id of the request.
        request: u64,
    },
    /// A guide that is not understood.
    #[error("request {request}, guide: {source}")]
    Guide {
        /// Id of the request.
        request: u64,
        /// Why.
        source: BoxError,
    },
    /// A vocabulary that no guides can be made for.
    #[error("guides: {reason}")]
    Guides {
        /// What was wrong.
        reason: String,
    },
    /// A blend, and an engine without a partner.
    #[error("request {request} blends two policies: give the engine one by `with_partner`")]
    NoPartner {
        /// Id of the request.
        request: u64,
    },
    /// A token id that the model doesn't have.
    #[error("request {request}: {what} holds token id {token}, the vocabulary has {vocab}")]
    TokenId {
        /// Id of the request.
        request: u64,
        /// Where it stands.
        what: &'static str,
        /// The id.
        token: u32,
        /// Tokens of the model.
        vocab: usize,
    },
    /// A completion that the policy began, but several completions wanted.
    #[error(
        "request {request} resumes a completion that the policy began and asks for {n} of them, expected 1"
    )]
    ResumeMany {
        /// Id of the request.
        request: u64,
        /// Completions wanted.
        n: usize,
    },
    /// A completion to go on from that has come to its end.
    #[error("request {request} resumes a completion that has ended: {finish:?}")]
    ResumeEnded {
        /// Id of the request.
        request: u64,
        /// How it ended.
        finish: Finish,
    },
    /// A completion to go on from that contradicts itself.
    #[error("request {request} resumes a broken completion: {source}")]
    ResumeBroken {
        /// Id of the request.
        request: u64,
        /// What is wrong.
        source: CoreError,
    },
    /// A position where nothing could be drawn.
    #[error("request {request}, sample {sample}, token {position}: {source}")]
    Draw {
        /// Id of the request.
        request: u64,
        /// Sample within the group.
        sample: usize,
        /// Position within the completion.
        position: usize,
        /// Why.
        source: DrawError,
    },
    /// Tokens that could not be turned into text.
    #[error("request {request}, sample {sample}: {source}")]
    Text {
        /// Id of the request.
        request: u64,
        /// Sample within the group.
        sample: usize,
        /// Why.
        source: BoxError,
    },
    /// A weights version that doesn't fit the completions' column.
    #[error("weights version {version} is beyond 32 bits")]
    Version {
        /// The version.
        version: u64,
    },
    /// New weights of a model with other tokens.
    #[error("the new weights have a vocabulary of {found}, the engine's has {expected}")]
    Vocabulary {
        /// Tokens of the new model.
        found: usize,
        /// Tokens of the model so far.
        expected: usize,
    },
    /// A kind of weight update that this engine doesn't know.
    #[error("this kind of weight update is not supported in process")]
    Update,
    /// A decoder that can't do what the engine needs.
    #[error("the decoder can't share the cache of a prompt")]
    Prefix,
    /// The decoder failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}
