//! Bad rows that the policy would hardly write any more are left out.
//!
//! ```text
//! keep = A >= 0  or  mean_t(sampler_logprobs - logprobs) <= threshold
//! ```
//!
//! DeepSeek-V3.2 (2025), equation 9; TRL's `off_policy_mask_threshold`. Pushing down what is
//! already unlikely is where an old sample does its harm.

use burn::tensor::Tensor;

/// 1 for tokens that stay, `[batch, time]`; the means are over `mask`. No gradient passes.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::mask::off_policy_mask;
/// let device = Device::flex();
/// let now = Tensor::<2>::from_data([[-5.0], [-5.0]], &device);
/// let sampler = Tensor::<2>::from_data([[-1.0], [-1.0]], &device);
/// let advantages = Tensor::<2>::from_data([[1.0], [-1.0]], &device);
/// let mask = Tensor::<2>::ones([2, 1], &device);
/// let keep = off_policy_mask(now, sampler, advantages, mask, 0.5);
/// assert_eq!(keep.into_data().to_vec::<f32>()?, [1.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn off_policy_mask(
    logprobs: Tensor<2>,
    sampler_logprobs: Tensor<2>,
    advantages: Tensor<2>,
    mask: Tensor<2>,
    threshold: f64,
) -> Tensor<2> {
    let dims = mask.dims();
    let gap = (sampler_logprobs.inner() - logprobs.inner())
        .mask_fill(mask.clone().inner().equal_scalar(0.0), 0.0);
    let mean = gap.sum_dim(1) / mask.clone().inner().sum_dim(1).clamp_min(1.0);
    let far = mean.greater_scalar(threshold).expand(dims);
    let bad = advantages.inner().expand(dims).lower_scalar(0.0);
    mask.inner().ones_like().mask_fill(far.bool_and(bad), 0.0)
}
