//! Centring: only differences of scores are trained, so their mean is free; this ties it to 0.
//!
//! ```text
//! term = (s_w + s_l)^2
//! ```
//!
//! Eisenstein et al., "Helping or Herding?" (2023); TRL's `center_rewards_coefficient`, e.g. 0.01.

use crate::stable::square;
use burn::tensor::Tensor;

/// The term per pair, `[pairs]`, to be weighted and added.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::reward::centring;
/// let score = |x: f32| Tensor::<1>::from_data([x], &Device::flex());
/// assert_eq!(centring(score(2.0), score(1.0)).into_scalar::<f32>(), 9.0);
/// ```
pub fn centring(chosen: Tensor<1>, rejected: Tensor<1>) -> Tensor<1> {
    square(chosen + rejected)
}
