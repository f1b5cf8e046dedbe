//! Countdown: combine given numbers, each exactly once, into a target.
//!
//! A solution is worked step by step, `4+5=9;3*9=27.`: each step takes two of the values at hand
//! and gives a new one. Arithmetic, planning and a verifier that can't be fooled, in a space small
//! enough to hold out problems for good.

mod codec;
mod problem;
mod reward;
mod source;
mod verify;

pub use codec::Codec;
pub use problem::{Config, Op, Problem, Step, split};
pub use reward::CountdownReward;
pub use source::{Prompts, WarmUp};
pub use verify::{Failure, verify};
