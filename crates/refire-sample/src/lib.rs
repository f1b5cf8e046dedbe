//! Logits processors and the batched rollout engine.
//!
//! - [`LogitsProcessor`]: one change of a row of logits, a file each; [`Chain`] puts together what
//!   [`SamplingParams`](refire_core::SamplingParams) ask for, in the order of transformers, vLLM or
//!   llama.cpp.
//! - [`Sampler`] draws a token from logits and says with which log-probabilities, under the model
//!   and under what is left after all processors.
//! - [`LocalEngine`] generates in this process from a learner's weights: prompts are read once per
//!   group, rows leave and enter while others go on, and a completion doesn't depend on its company.
//! - [`TextStream`] gives text out as tokens come; [`Guides`] hold it within a language.
//! - [`best_of_n`], [`self_consistency`] and [`plan_execute`] make one answer of many, over any
//!   engine; [`LocalEngine::beam_search`] looks for the likeliest.
//! - [`conformance`] checks what every engine promises.

pub mod conformance;
mod constraint;
mod draw;
mod engine;
mod error;
mod exp;
#[cfg(feature = "guided")]
mod guided;
mod processor;
mod softmax;
mod stop;
mod strategy;
mod stream;
mod text;

pub use constraint::{Constraint, Guides};
pub use draw::{DrawBuffer, DrawError, Drawn, Sampler};
pub use engine::{
    Beam, BeamSearch, EarlyStopping, EngineConfig, EnvironmentFailure, Episodes, LocalEngine,
};
pub use error::SampleError;
#[cfg(feature = "guided")]
pub use guided::TokenGuides;
pub use processor::{
    AllowedTokens, BadWords, Blend, Chain, DryPenalty, EpsilonCutoff, EtaCutoff, ForcedEnd,
    ForcedTokens, FrequencyPresence, History, LengthDecayPenalty, LogSoftmax, LogitBias,
    LogitsProcessor, MinP, MinTokens, MirostatWarper, NoRepeatNgram, RemoveInvalid,
    RepetitionPenalty, Scratch, SequenceBiases, SuppressTokens, Temperature, TokenContext, TopH,
    TopK, TopNSigma, TopP, TypicalP, XtcWarper,
};
pub use strategy::{
    PlanExecute, Vote, VoteWeight, best_of, best_of_n, plan_execute, self_consistency, vote,
};
pub use stream::{TextPiece, TextStream};
pub use text::{Detokenize, WithEndTokens};
