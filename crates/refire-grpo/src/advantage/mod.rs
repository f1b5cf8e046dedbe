//! From scores to advantages, in 64-bit host arithmetic.
//!
//! Rows without a score leave every statistic and get advantage 0.

mod config;
mod gdpo;
mod group_norm;
mod statistics;
mod weighted_sum;

pub use config::AdvantageConfig;
pub use gdpo::{Gdpo, PartWeight, gdpo};
pub use group_norm::{GroupNorm, Scale, group_norm};
pub use weighted_sum::weighted_sum;
