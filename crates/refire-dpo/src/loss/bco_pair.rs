//! Binary classification of both completions of a pair.
//!
//! ```text
//! loss = -log sigmoid(beta h_w) - log sigmoid(-beta h_l)
//! ```
//!
//! TRL's `bco_pair`: BCO (Jung et al. 2024) without its reward shift; for single completions and
//! with the shift it is [`bco`](super::bco).

use crate::stable::log_sigmoid;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`, from the scores of both completions.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::bco_pair;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([1.0], &device);
/// let rejected = Tensor::<1>::from_data([-1.0], &device);
/// let loss = bco_pair(chosen, rejected, 1.0).into_scalar::<f32>();
/// assert!((loss - 0.62652).abs() < 1e-4);
/// ```
pub fn bco_pair(chosen: Tensor<1>, rejected: Tensor<1>, beta: f64) -> Tensor<1> {
    (log_sigmoid(chosen * beta) + log_sigmoid(rejected * -beta)).neg()
}
