//! APO-zero: the chosen completion becomes more likely and the rejected one less, each for itself.
//!
//! ```text
//! loss = 1 - sigmoid(beta r_w) + sigmoid(beta r_l)        r: log-ratio to the reference
//! ```
//!
//! D'Oosterlinck et al., "Anchored Preference Optimization" (2024), equation 7: for chosen
//! completions better than what the model writes. TRL's `apo_zero`, which leaves the f-divergence
//! out, as here; for single completions it is [`kto`](super::kto()) without its KL.

use crate::stable::sigmoid;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`, from log-ratios of policy to reference.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::apo_zero;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([1.0], &device);
/// let rejected = Tensor::<1>::from_data([-1.0], &device);
/// let loss = apo_zero(chosen, rejected, 1.0).into_scalar::<f32>();
/// assert!((loss - 0.53788).abs() < 1e-4);
/// ```
pub fn apo_zero(
    chosen_log_ratios: Tensor<1>,
    rejected_log_ratios: Tensor<1>,
    beta: f64,
) -> Tensor<1> {
    sigmoid(chosen_log_ratios * -beta) + sigmoid(rejected_log_ratios * beta)
}
