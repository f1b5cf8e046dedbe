//! Procedural tasks with verifiable answers, and evaluation.
//!
//! - [`countdown`]: combine given numbers into a target, step by step.
//! - [`pass_at_k`] and [`Tally`]: how often a policy succeeds, from samples.
//! - [`read_questions`]: rows of question and answer, served by [`ShuffledPrompts`].
//! - [`Epochs`]: shuffled passes over a list, resumable exactly.

pub mod countdown;
mod epochs;
mod error;
mod questions;
mod shuffled;
mod tally;

pub use epochs::Epochs;
pub use error::TaskError;
pub use questions::{Question, ShuffledPrompts, read_questions};
pub use refire_core::pass_at_k;
pub use shuffled::Shuffled;
pub use tally::Tally;
