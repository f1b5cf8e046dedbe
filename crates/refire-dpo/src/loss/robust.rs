//! Robust DPO: unbiased when labels are flipped with probability `e`.
//!
//! ```text
//! loss = (-(1 - e) log sigmoid(u) + e log sigmoid(-u)) / (1 - 2 e)        u = beta (h_w - h_l)
//! ```
//!
//! Chowdhury et al., "Provably Robust DPO" (2024); TRL's `robust`. Not bounded below: a pair far
//! apart has a negative loss.

use crate::stable::log_sigmoid;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`; `label_smoothing` from 0 to below 1/2.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::robust;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([1.0], &device);
/// let rejected = Tensor::<1>::from_data([-1.0], &device);
/// let loss = robust(chosen, rejected, 0.5, 0.1).into_scalar::<f32>();
/// assert!((loss - 0.18826).abs() < 1e-4);
/// ```
pub fn robust(
    chosen: Tensor<1>,
    rejected: Tensor<1>,
    beta: f64,
    label_smoothing: f64,
) -> Tensor<1> {
    let logits = (chosen - rejected) * beta;
    let scale = (1.0 - 2.0 * label_smoothing).recip();
    let clean = log_sigmoid(logits.clone()) * ((label_smoothing - 1.0) * scale);
    clean + log_sigmoid(logits.neg()) * (label_smoothing * scale)
}
