//! APO-down: both completions become less likely, the rejected one more so.
//!
//! ```text
//! loss = sigmoid(beta r_w) + 1 - sigmoid(beta (h_w - h_l))
//! ```
//!
//! D'Oosterlinck et al., "Anchored Preference Optimization" (2024), equation 8: for a model better
//! than the chosen completions. TRL's `apo_down`: the first term takes the log-ratio `r`, the second
//! the scores `h` of the f-divergence.

use crate::stable::sigmoid;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`; without an f-divergence the chosen scores are its log-ratios.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::apo_down;
/// let zero = || Tensor::<1>::from_data([0.0], &Device::flex());
/// assert_eq!(apo_down(zero(), zero(), zero(), 0.1).into_scalar::<f32>(), 1.0);
/// ```
pub fn apo_down(
    chosen_log_ratios: Tensor<1>,
    chosen: Tensor<1>,
    rejected: Tensor<1>,
    beta: f64,
) -> Tensor<1> {
    sigmoid(chosen_log_ratios * beta) + sigmoid((chosen - rejected) * -beta)
}
