//! A margin instead of a logistic: nothing more to learn once the pair is apart by `1 / beta`.
//!
//! ```text
//! loss = max(0, 1 - beta (h_w - h_l))
//! ```
//!
//! SLiC-HF (Zhao et al. 2023) as TRL's `hinge` has it, with DPO's scores for log-probabilities.
//! At the kink the gradient is 0, as in PyTorch.

use crate::stable::relu;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`, from the scores of both completions.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::hinge;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([1.0], &device);
/// let rejected = Tensor::<1>::from_data([-1.0], &device);
/// let loss = hinge(chosen, rejected, 0.25).into_scalar::<f32>();
/// assert!((loss - 0.5).abs() < 1e-4);
/// ```
pub fn hinge(chosen: Tensor<1>, rejected: Tensor<1>, beta: f64) -> Tensor<1> {
    relu((chosen - rejected) * -beta + 1.0)
}
