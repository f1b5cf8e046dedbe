//! DPO's logistic loss.
//!
//! ```text
//! loss = -log sigmoid(beta (h_w - h_l))
//! ```
//!
//! Rafailov et al., "Direct Preference Optimization" (2023); TRL's `sigmoid`, OpenRLHF's `DPOLoss`.
//! With scores that are log-probabilities themselves it is CPO's loss (Xu et al. 2024) and
//! reference-free DPO. TRL ignores `label_smoothing` here; with it the loss is [`cdpo`](super::cdpo).

use crate::stable::log_sigmoid;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`, from the scores of both completions.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::sigmoid;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([1.0], &device);
/// let rejected = Tensor::<1>::from_data([-1.0], &device);
/// let loss = sigmoid(chosen, rejected, 0.5).into_scalar::<f32>();
/// assert!((loss - 0.31326).abs() < 1e-4);
/// ```
pub fn sigmoid(chosen: Tensor<1>, rejected: Tensor<1>, beta: f64) -> Tensor<1> {
    log_sigmoid((chosen - rejected) * beta).neg()
}
