//! CoPG: contrastive policy gradient on pairs with rewards, sound off-policy.
//!
//! ```text
//! loss = (R_a - R_b - beta (r_a - r_b))^2 / (2 beta)        r: log-ratio to the reference
//! ```
//!
//! Flet-Berliac et al., "Contrastive Policy Gradient" (2024), scaled so that the gradient is the
//! paper's; IPO is the case of rewards 1 and 0 up to scale.

use crate::stable::square;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`, from log-ratios and constant rewards of both completions.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::copg;
/// let column = |x: f32| Tensor::<1>::from_data([x], &Device::flex());
/// let loss = copg(column(1.0), column(0.0), column(3.0), column(0.0), 0.5);
/// assert_eq!(loss.into_scalar::<f32>(), 6.25);
/// ```
pub fn copg(
    log_ratios_a: Tensor<1>,
    log_ratios_b: Tensor<1>,
    rewards_a: Tensor<1>,
    rewards_b: Tensor<1>,
    beta: f64,
) -> Tensor<1> {
    let target = (rewards_a - rewards_b).detach();
    square(target - (log_ratios_a - log_ratios_b) * beta) * (0.5 / beta)
}
