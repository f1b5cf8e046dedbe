//! What a policy and a loss are, and the tensor numerics that all training methods share.
//!
//! A step walks this road:
//!
//! 1. Host rows become a [`TokenBatch`]: segments of tokens, and the targets among them.
//! 2. A [`Policy`] runs its body and reads off [`TokenStats`] at the targets: log-probabilities
//!    and whatever else the [`Needs`](refire_core::Needs) name, as `[rows, time]` leaves.
//! 3. An [`Objective`] turns statistics and [`Targets`] into a [`Loss`], normalised by the
//!    [`Counts`] of the whole optimiser step, so that micro-batches can't change the gradient.
//! 4. The gradient with respect to the statistics goes back through the [`head`] in chunks:
//!    `[batch, time, vocab]` never exists.
//!
//! Crates with methods offer two tiers: pure functions on plain tensors, and the [`Objective`]
//! that wraps them. Somebody with a model of their own needs the first tier only.

mod aggregation;
mod batch;
mod counts;
mod error;
pub mod head;
pub mod kl;
mod objective;
pub mod padded;
mod policy;
mod stats;
mod targets;

pub use aggregation::{Aggregation, RowCount};
pub use batch::{InputEdit, Segment, Target, TokenBatch};
pub use counts::Counts;
pub use error::ObjectiveError;
pub use kl::{KlClamp, KlEstimator};
pub use objective::{Loss, LossReport, Objective, Scope, StepContext, ValueObjective};
pub use policy::{
    Critic, Dtype, FrozenPolicy, HeadQuery, Policy, RewardModel, StepReport, WeightInfo,
};
pub use stats::{Stats, TokenStats};
pub use targets::Targets;
