//! Losses of reward models: on scores `[pairs]`, one number per completion.

mod bradley_terry;
mod centring;
mod log_exp;
mod objective;
mod step;

pub use bradley_terry::bradley_terry;
pub use centring::centring;
pub use log_exp::log_exp;
pub use objective::{RewardLoss, RewardLossConfig};
