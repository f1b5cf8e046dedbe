//! MODPO: one preference is trained, the others are known as frozen margin rewards.
//!
//! ```text
//! R    = (beta r - sum_{k>0} w_k M_k) / w_0        r: log-ratio, M_k: reward k, w sums to 1
//! loss = -log sigmoid(R_w - R_l)      or      max(0, 1 - (R_w - R_l))
//! ```
//!
//! Zhou et al., "Beyond One-Preference-Fits-All Alignment: Multi-Objective Direct Preference
//! Optimization" (2023); ZHZisZZ/modpo. With `w_0 = 1` it is DPO.

use crate::stable::{log_sigmoid, relu};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// What is done with the difference of rewards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModpoLoss {
    /// `-log sigmoid`.
    #[default]
    Sigmoid,
    /// `max(0, 1 - x)`.
    Hinge,
}

/// The rewards `R`, `[rows]`; `margin` `[rows]` is `sum_{k>0} w_k M_k`, a constant.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::modpo_rewards;
/// let one = || Tensor::<1>::from_data([1.0], &Device::flex());
/// assert_eq!(modpo_rewards(one(), one() * 0.5, 1.0, 0.5).into_scalar::<f32>(), 1.0);
/// ```
pub fn modpo_rewards(
    log_ratios: Tensor<1>,
    margin: Tensor<1>,
    beta: f64,
    weight: f64,
) -> Tensor<1> {
    (log_ratios * beta - margin.detach()) * weight.recip()
}

/// The loss per pair, `[pairs]`, from both rewards.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::modpo;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([1.0], &device);
/// let rejected = Tensor::<1>::from_data([-1.0], &device);
/// let loss = modpo(chosen, rejected, Default::default()).into_scalar::<f32>();
/// assert!((loss - 0.126928).abs() < 1e-4);
/// ```
pub fn modpo(chosen_rewards: Tensor<1>, rejected_rewards: Tensor<1>, kind: ModpoLoss) -> Tensor<1> {
    let difference = chosen_rewards - rejected_rewards;
    match kind {
        ModpoLoss::Sigmoid => log_sigmoid(difference).neg(),
        ModpoLoss::Hinge => relu(difference.neg() + 1.0),
    }
}
