//! Logits processors and the batched rollout engine.
//!
//! - [`LogitsProcessor`] with [`Temperature`], [`TopK`], [`TopP`], [`MinP`] and [`MinTokens`], put
//!   together by [`Chain`] in the order of Hugging Face transformers.
//! - [`Sampler`] draws a token from logits and says with which log-probabilities, under the model
//!   and under what is left after all processors.
//! - [`LocalEngine`] generates in this process from a learner's weights: prompts are read once per
//!   group, rows leave and enter while others go on, and a completion doesn't depend on its company.
//! - [`conformance`] checks what every engine promises.

pub mod conformance;
mod draw;
mod engine;
mod error;
mod processor;
mod stop;
mod text;

pub use draw::{DrawBuffer, Drawn, Sampler};
pub use engine::{EngineConfig, EnvironmentFailure, Episodes, LocalEngine};
pub use error::SampleError;
pub use processor::{
    Chain, LogitsProcessor, MinP, MinTokens, Temperature, TokenContext, TopK, TopP,
};
pub use text::{Detokenize, WithEndTokens};
