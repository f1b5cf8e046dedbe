//! Training a decoder: gradients, optimiser, and the policy made of them.

mod adamw;
mod chain;
mod config;
mod forward;
mod frozen;
mod gradients;
mod handle;
mod learner;
mod masters;
mod moving;
mod muon;
mod optimiser;
mod report;
mod runs;
mod shard;
mod state;
mod value;

pub(crate) use adamw::AdamW;
pub use adamw::AdamWConfig;
pub use config::LearnerConfig;
pub use frozen::FrozenDecoder;
pub use handle::WeightHandle;
pub use learner::Learner;
pub use moving::MovingDecoder;
pub use muon::{MuonConfig, MuonScale};
pub use value::{ScoreModel, ValueLearner};
