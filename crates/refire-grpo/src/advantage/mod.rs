//! From scores to advantages, in 64-bit host arithmetic.
//!
//! Rows without a score leave every statistic and get advantage 0. Each method is a function on
//! plain vectors, and a type that reads the same from a step as an
//! [`Advantage`](refire_core::Advantage).

mod config;
mod difficulty;
mod distillation;
mod gae;
mod gdpo;
mod gpg;
mod group_norm;
mod length_shaped;
mod max_rl;
mod opo;
mod otb;
mod pass_at_k;
mod rae;
mod reinforce_plus_plus;
mod remax;
mod returns;
mod rloo;
mod statistics;
mod view;
mod weighted_sum;
mod whiten;

pub use config::AdvantageConfig;
pub use difficulty::{Difficulty, DifficultyConfig, DifficultyWeight, difficulty_weights};
pub use distillation::{Distillation, distillation};
pub use gae::{Gae, gae};
pub use gdpo::{Gdpo, PartWeight, gdpo};
pub use gpg::{Gpg, GpgCount, gpg};
pub use group_norm::{GroupNorm, Scale, group_norm};
pub use length_shaped::{Cost, LengthShaped, length_shaped};
pub use max_rl::{MaxRl, max_rl};
pub use opo::{Opo, opo};
pub use otb::{Otb, OtbInputs, otb};
pub use pass_at_k::{PassAtK, PassAtKMax, pass_at_k, pass_at_k_max};
pub use rae::{Rae, RaeConfig};
pub use reinforce_plus_plus::{
    ReinforcePlusPlus, ReinforcePlusPlusBaseline, reinforce_plus_plus_baseline,
};
pub use remax::{Remax, remax};
pub use returns::{Holes, KlInReward, returns_to_go, terminal_rewards};
pub use rloo::{Rloo, rloo};
pub use statistics::{Deviation, Singleton};
pub use weighted_sum::weighted_sum;
pub use whiten::Whiten;
