//! SPPO with hard win probabilities: regress each score on half of what a sure win is worth.
//!
//! ```text
//! loss = (h_w - 1 / (2 beta))^2 + (h_l + 1 / (2 beta))^2
//! ```
//!
//! Wu et al., "Self-Play Preference Optimization" (2024), equation 4.7 with probabilities 1 and 0;
//! TRL's `sppo_hard`.

use crate::stable::square;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`, from the scores of both completions.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::sppo_hard;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([1.0], &device);
/// let rejected = Tensor::<1>::from_data([-1.0], &device);
/// let loss = sppo_hard(chosen, rejected, 0.25).into_scalar::<f32>();
/// assert!((loss - 2.0).abs() < 1e-4);
/// ```
pub fn sppo_hard(chosen: Tensor<1>, rejected: Tensor<1>, beta: f64) -> Tensor<1> {
    square(chosen - 0.5 / beta) + square(rejected + 0.5 / beta)
}
