//! DiscoPOP: a logistic and an exponential loss, blended by where the pair stands.
//!
//! ```text
//! loss = (1 - k) (-log sigmoid(u)) + k exp(-u)        u = beta (h_w - h_l), k = sigmoid(u / tau)
//! ```
//!
//! Lu et al., "Discovering Preference Optimization Algorithms with and for Large Language Models"
//! (2024), log-ratio modulated loss; TRL's `discopop`. TRL multiplies `k` and `exp(-u)`, which is
//! 0 times infinity (NaN) for a lost pair; here it is `exp(log k - u)`, which goes to 0.

use crate::stable::{bounded_exp, log_sigmoid, sigmoid};
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`; the paper's `tau` is 0.05.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::discopop;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([1.0], &device);
/// let rejected = Tensor::<1>::from_data([-1.0], &device);
/// let loss = discopop(chosen, rejected, 1.0, 0.05).into_scalar::<f32>();
/// assert!((loss - 0.13534).abs() < 1e-4);
/// ```
pub fn discopop(chosen: Tensor<1>, rejected: Tensor<1>, beta: f64, tau: f64) -> Tensor<1> {
    let logits = (chosen - rejected) * beta;
    let modulation = logits.clone() * tau.recip();
    let logistic = sigmoid(modulation.clone().neg()) * log_sigmoid(logits.clone());
    bounded_exp(log_sigmoid(modulation) - logits) - logistic
}
