//! SimPO: no reference, log-probabilities per token, and a margin.
//!
//! ```text
//! loss = -log sigmoid(beta (a_w - a_l) - gamma)        a: mean log-probability per token
//! ```
//!
//! Meng et al., "SimPO: Simple Preference Optimization with a Reference-Free Reward" (2024); TRL's
//! CPO trainer with `simpo`, whose `label_smoothing` is that of [`cdpo`](super::cdpo()).

use super::cdpo::smoothed;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`, from mean log-probabilities (or AlphaPO's rewards).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::simpo;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([1.0], &device);
/// let rejected = Tensor::<1>::from_data([-1.0], &device);
/// let loss = simpo(chosen, rejected, 1.0, 1.0, 0.0).into_scalar::<f32>();
/// assert!((loss - 0.31326).abs() < 1e-4);
/// ```
pub fn simpo(
    chosen: Tensor<1>,
    rejected: Tensor<1>,
    beta: f64,
    gamma: f64,
    label_smoothing: f64,
) -> Tensor<1> {
    smoothed((chosen - rejected) * beta - gamma, label_smoothing)
}
