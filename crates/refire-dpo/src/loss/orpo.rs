//! ORPO: the odds of the chosen completion against those of the rejected one, beside its NLL.
//!
//! ```text
//! term     = -beta log sigmoid(log_odds)
//! log_odds = (a_w - a_l) - (log(1 - exp(a_w)) - log(1 - exp(a_l)))     a: mean log-probability
//! loss     = NLL(chosen) + term
//! ```
//!
//! Hong et al., "ORPO: Monolithic Preference Optimization without Reference Model" (2024); TRL. A
//! mean log-probability of 0 has infinite odds and NaN for a gradient in TRL; here the logarithm is
//! straight from -1e-12 on in f64 (-1e-6 in f32). TRL's NLL counts the prompt's tokens too; the
//! objective counts what the mask shows.

use crate::stable::{log_sigmoid, log1mexp};
use burn::tensor::Tensor;

/// The logarithm of the ratio of odds, `[pairs]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::log_odds;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([-0.5], &device);
/// let rejected = Tensor::<1>::from_data([-0.5], &device);
/// let loss = log_odds(chosen, rejected).into_scalar::<f32>();
/// assert!((loss - 0.0).abs() < 1e-4);
/// ```
pub fn log_odds(chosen_mean_logps: Tensor<1>, rejected_mean_logps: Tensor<1>) -> Tensor<1> {
    let odds = |a: Tensor<1>| a.clone() - log1mexp(a);
    odds(chosen_mean_logps) - odds(rejected_mean_logps)
}

/// The term per pair, `[pairs]`, to be added to the chosen completion's NLL.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::orpo;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([-0.5], &device);
/// let rejected = Tensor::<1>::from_data([-0.5], &device);
/// let loss = orpo(chosen, rejected, 0.1).into_scalar::<f32>();
/// assert!((loss - 0.0693147).abs() < 1e-4);
/// ```
pub fn orpo(chosen_mean_logps: Tensor<1>, rejected_mean_logps: Tensor<1>, beta: f64) -> Tensor<1> {
    log_sigmoid(log_odds(chosen_mean_logps, rejected_mean_logps)) * -beta
}
