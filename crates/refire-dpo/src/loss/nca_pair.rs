//! NCA for pairs: noise contrastive, so that the chosen completion's likelihood doesn't fall.
//!
//! ```text
//! loss = -log sigmoid(b_w) - 0.5 log sigmoid(-b_w) - 0.5 log sigmoid(-b_l)        b = beta h
//! ```
//!
//! Chen et al., "Noise Contrastive Alignment of Language Models with Explicit Rewards" (2024); TRL's
//! `nca_pair`.

use crate::stable::log_sigmoid;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`, from the scores of both completions.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::nca_pair;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([1.0], &device);
/// let rejected = Tensor::<1>::from_data([-1.0], &device);
/// let loss = nca_pair(chosen, rejected, 1.0).into_scalar::<f32>();
/// assert!((loss - 1.12652).abs() < 1e-4);
/// ```
pub fn nca_pair(chosen: Tensor<1>, rejected: Tensor<1>, beta: f64) -> Tensor<1> {
    let (chosen, rejected) = (chosen * beta, rejected * beta);
    let away = log_sigmoid(chosen.clone().neg()) + log_sigmoid(rejected.neg());
    (log_sigmoid(chosen) + away * 0.5).neg()
}
