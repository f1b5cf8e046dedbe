//! Training a decoder: gradients, optimiser, and the policy made of them.

mod adamw;
mod forward;
mod frozen;
mod gradients;
mod handle;
mod learner;
mod state;

pub use adamw::AdamWConfig;
pub use frozen::FrozenDecoder;
pub use handle::WeightHandle;
pub use learner::{Learner, LearnerConfig};
