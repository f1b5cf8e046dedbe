//! OpenRLHF's `LogExpLoss`.
//!
//! ```text
//! loss = log(1 + exp(s_l - s_w))
//! ```
//!
//! The same function as [`bradley_terry`](super::bradley_terry()) without a margin. OpenRLHF computes
//! it as written, which is infinite with NaN for a gradient from a difference of 709 (88 in f32) on;
//! here it is the softplus.

use super::bradley_terry;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::reward::log_exp;
/// let score = |x: f32| Tensor::<1>::from_data([x], &Device::flex());
/// assert_eq!(log_exp(score(-1e4), score(0.0)).into_scalar::<f32>(), 1e4);
/// ```
pub fn log_exp(chosen: Tensor<1>, rejected: Tensor<1>) -> Tensor<1> {
    bradley_terry(chosen, rejected, None)
}
