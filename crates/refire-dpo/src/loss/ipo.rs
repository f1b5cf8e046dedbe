//! IPO: regress the difference on a constant, so that a certain preference can't push without end.
//!
//! ```text
//! loss = (h_w - h_l - 1 / (2 beta))^2                    paper, OpenRLHF, TRL's CPO
//! loss = (h_w / n_w - h_l / n_l - 1 / (2 beta))^2        TRL's DPO; n: tokens, at least 1
//! ```
//!
//! Azar et al., "A General Theoretical Paradigm to Understand Learning from Human Preferences"
//! (2023), equation 17 with `beta` for its tau. TRL divides by lengths, as the authors say they did.

use super::sigmoid_norm::per_token;
use crate::stable::square;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`, on scores as they are.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::ipo;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([1.0], &device);
/// let rejected = Tensor::<1>::from_data([-1.0], &device);
/// let loss = ipo(chosen, rejected, 0.5).into_scalar::<f32>();
/// assert!((loss - 1.0).abs() < 1e-4);
/// ```
pub fn ipo(chosen: Tensor<1>, rejected: Tensor<1>, beta: f64) -> Tensor<1> {
    square(chosen - rejected - 0.5 / beta)
}

/// The loss per pair, `[pairs]`, on scores per token; lengths `[pairs]` count tokens.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::ipo_norm;
/// let device = Device::flex();
/// let column = |x: f32| Tensor::<1>::from_data([x], &device);
/// let loss = ipo_norm(column(4.0), column(-2.0), column(2.0), column(0.0), 0.5);
/// assert_eq!(loss.into_scalar::<f32>(), 9.0);
/// ```
pub fn ipo_norm(
    chosen: Tensor<1>,
    rejected: Tensor<1>,
    chosen_lengths: Tensor<1>,
    rejected_lengths: Tensor<1>,
    beta: f64,
) -> Tensor<1> {
    ipo(per_token(chosen, chosen_lengths), per_token(rejected, rejected_lengths), beta)
}
