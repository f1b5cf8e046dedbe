//! Conservative DPO: the label is wrong with probability `e`.
//!
//! ```text
//! loss = -(1 - e) log sigmoid(u) - e log sigmoid(-u)        u = beta (h_w - h_l)
//! ```
//!
//! Mitchell, "A note on DPO with noisy preferences" (2023); OpenRLHF's `label_smoothing`, and TRL's
//! in its CPO, SimPO and AOT. TRL's DPO trainer has no such loss.

use crate::stable::log_sigmoid;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`; `label_smoothing` from 0 to below 1/2.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::cdpo;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([1.0], &device);
/// let rejected = Tensor::<1>::from_data([-1.0], &device);
/// let loss = cdpo(chosen, rejected, 0.5, 0.1).into_scalar::<f32>();
/// assert!((loss - 0.41326).abs() < 1e-4);
/// ```
pub fn cdpo(chosen: Tensor<1>, rejected: Tensor<1>, beta: f64, label_smoothing: f64) -> Tensor<1> {
    smoothed((chosen - rejected) * beta, label_smoothing)
}

/// The smoothed logistic loss of logits.
pub(crate) fn smoothed(logits: Tensor<1>, label_smoothing: f64) -> Tensor<1> {
    let clean = log_sigmoid(logits.clone());
    if label_smoothing == 0.0 {
        return clean.neg();
    }
    clean * (label_smoothing - 1.0) - log_sigmoid(logits.neg()) * label_smoothing
}
