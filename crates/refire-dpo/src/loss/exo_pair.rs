//! EXO for pairs: the reverse KL from the policy's preference to the smoothed label.
//!
//! ```text
//! loss = q (log q - log(1 - e)) + (1 - q) (log(1 - q) - log e)     q = sigmoid(beta (h_w - h_l))
//! ```
//!
//! Ji et al., "Towards Efficient Exact Optimization of Language Model Alignment" (2024), equation 16
//! for two completions; TRL's `exo_pair`. `e` must be above 0, or the label is a wall.

use crate::stable::{log_sigmoid, sigmoid};
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`; `label_smoothing` above 0 and below 1.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::exo_pair;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([1.0], &device);
/// let rejected = Tensor::<1>::from_data([-1.0], &device);
/// let loss = exo_pair(chosen, rejected, 0.5, 0.1).into_scalar::<f32>();
/// assert!((loss - 0.11404).abs() < 1e-4);
/// ```
pub fn exo_pair(
    chosen: Tensor<1>,
    rejected: Tensor<1>,
    beta: f64,
    label_smoothing: f64,
) -> Tensor<1> {
    let logits = (chosen - rejected) * beta;
    let term =
        |logits: Tensor<1>, label: f64| sigmoid(logits.clone()) * (log_sigmoid(logits) - label);
    term(logits.clone(), (-label_smoothing).ln_1p()) + term(logits.neg(), label_smoothing.ln())
}
