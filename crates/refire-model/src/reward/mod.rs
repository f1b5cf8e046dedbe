//! Rewards over a model.

mod model;
mod similarity;

pub use model::{ModelReward, ModelRewardConfig};
pub use similarity::{SimilarityConfig, SimilarityReward};
