//! AlphaPO's reward: another shape than the logarithm.
//!
//! ```text
//! reward = (1 - p^-alpha) / alpha = (1 - exp(-alpha a)) / alpha        a: mean log-probability
//! ```
//!
//! Gupta et al., "AlphaPO" (2025); alpha to 0 gives the log-probability back. TRL takes the power of
//! a probability, which is 0 for an unlikely completion: its loss or gradient is then infinite or
//! NaN. Here the exponent is bounded (300 in f64, 30 in f32) and the reward straight from there.

use crate::stable::bounded_exp;
use burn::tensor::Tensor;

/// The reward of each row, `[rows]`, to be given to [`simpo`](super::simpo()) and the like.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::alphapo_rewards;
/// let mean_logps = Tensor::<1>::from_data([-1.0], &Device::flex());
/// let reward = alphapo_rewards(mean_logps, 0.25).into_scalar::<f32>();
/// assert!((reward + 1.1361).abs() < 1e-4);
/// ```
pub fn alphapo_rewards(mean_logps: Tensor<1>, alpha: f64) -> Tensor<1> {
    if alpha == 0.0 {
        return mean_logps;
    }
    (bounded_exp(mean_logps * -alpha) - 1.0) * -alpha.recip()
}
