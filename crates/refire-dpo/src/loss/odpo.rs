//! DPO with an offset: by how much the chosen completion has to win.
//!
//! ```text
//! loss = -log sigmoid(beta (h_w - h_l) - offset)
//! ```
//!
//! Amini et al., "Direct Preference Optimization with an Offset" (2024), where the offset grows with
//! the difference of the completions' quality; UV-CoT's score margin has this form too. TRL and
//! OpenRLHF have neither.

use crate::stable::log_sigmoid;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`; `offset` `[pairs]` is a constant.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::odpo;
/// let device = Device::flex();
/// let one = || Tensor::<1>::from_data([1.0], &device);
/// let loss = odpo(one(), one().neg(), one(), 0.5).into_scalar::<f32>();
/// assert!((loss - std::f32::consts::LN_2).abs() < 1e-6);
/// ```
pub fn odpo(chosen: Tensor<1>, rejected: Tensor<1>, offset: Tensor<1>, beta: f64) -> Tensor<1> {
    log_sigmoid((chosen - rejected) * beta - offset.detach()).neg()
}
