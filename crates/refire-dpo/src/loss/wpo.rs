//! WPO: pairs that the policy could have written itself count more.
//!
//! ```text
//! weight of a row  = exp(mean_t(l_t - log sum_v p_t(v)^2)), a constant
//! weight of a pair = weight_w weight_l
//! ```
//!
//! Zhou et al., "WPO: Enhancing RLHF with Weighted Preference Optimization" (2024), equation 2 with
//! its sampled alignment; TRL's `use_weighting`. The length is at least 1.

use burn::tensor::Tensor;

/// The weight of each row, `[rows]`, from log-probabilities and sums of squared probabilities
/// `[rows, time]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::wpo_weights;
/// let device = Device::flex();
/// let half = Tensor::<2>::from_data([[0.5]], &device);
/// let weight = wpo_weights(half.clone().log(), half, Tensor::ones([1, 1], &device));
/// assert_eq!(weight.into_scalar::<f32>(), 1.0);
/// ```
pub fn wpo_weights(logprobs: Tensor<2>, sum_sq: Tensor<2>, mask: Tensor<2>) -> Tensor<1> {
    let rows = mask.dims()[0];
    let hidden = mask.clone().equal_scalar(0.0);
    let aligned = logprobs.detach() - sum_sq.detach().mask_fill(hidden.clone(), 1.0).log();
    let sums = aligned.mask_fill(hidden, 0.0).sum_dim(1);
    (sums / mask.sum_dim(1).clamp_min(1.0)).exp().reshape([rows])
}
