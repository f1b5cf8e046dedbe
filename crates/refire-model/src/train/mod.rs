//! Training a decoder: gradients, optimiser, and the policy made of them.

mod adamw;
mod chain;
mod forward;
mod frozen;
mod gradients;
mod handle;
mod learner;
mod moving;
mod muon;
mod optimiser;
mod runs;
mod shard;
mod state;
mod value;

pub use adamw::AdamWConfig;
pub use frozen::FrozenDecoder;
pub use handle::WeightHandle;
pub use learner::{Learner, LearnerConfig};
pub use moving::MovingDecoder;
pub use muon::{MuonConfig, MuonScale};
pub use value::{ScoreModel, ValueLearner};
