//! DPO on scores per token.
//!
//! ```text
//! loss = -log sigmoid(beta (h_w / n_w - h_l / n_l))        n: tokens, at least 1
//! ```
//!
//! TRL's `sigmoid_norm`; length-normalised DPO of Tulu 3 (Lambert et al. 2024).

use super::sigmoid::sigmoid;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`; lengths `[pairs]` count tokens.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::sigmoid_norm;
/// let device = Device::flex();
/// let column = |x: f32| Tensor::<1>::from_data([x], &device);
/// let loss = sigmoid_norm(column(4.0), column(0.0), column(4.0), column(0.0), 1.0);
/// assert!((loss.into_scalar::<f32>() - 0.31326).abs() < 1e-4);
/// ```
pub fn sigmoid_norm(
    chosen: Tensor<1>,
    rejected: Tensor<1>,
    chosen_lengths: Tensor<1>,
    rejected_lengths: Tensor<1>,
    beta: f64,
) -> Tensor<1> {
    sigmoid(per_token(chosen, chosen_lengths), per_token(rejected, rejected_lengths), beta)
}

/// Sums over tokens as means; an empty row stays 0.
pub(crate) fn per_token(sums: Tensor<1>, lengths: Tensor<1>) -> Tensor<1> {
    sums / lengths.clamp_min(1.0)
}
