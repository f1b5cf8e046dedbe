//! Losses per token, to be minimised, as plain functions on `[batch, time]` tensors.
//!
//! How they become one number is [`Aggregation`](refire_objective::Aggregation)'s business, and
//! the KL term that some methods add is [`KlEstimator`](refire_objective::KlEstimator)'s.
//! Nothing here knows of masks unless it takes one: values at masked positions must be finite, or
//! their gradient is not a number; [`PolicyLoss`](crate::PolicyLoss) sees to that by itself.

mod ppo_clip;
mod ratio;

pub use ppo_clip::{ClipFlags, ClipOptions, ClipRange, clip_flags, clipped_surrogate, ppo_clip};
pub use ratio::RatioLevel;
