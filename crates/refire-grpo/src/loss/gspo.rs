//! GSPO: the ratio of a sequence, per token.
//!
//! ```text
//! s    = exp(mean_t(logprobs - old_logprobs))
//! loss = max(-A s, -A clip(s, 1 - low, 1 + high))
//! ```
//!
//! Zheng et al., "Group Sequence Policy Optimization" (2025): 3e-4 and 4e-4, mean over tokens,
//! then over rows. For advantages that are equal along a row, the token form
//! ([`RatioLevel::SequenceToken`]) has the same value and gradient; it also takes advantages per
//! token, and is what verl computes (with the log-ratio at most 10). OpenRLHF compares with the
//! sampler's log-probabilities where its correction is on.

use super::{ClipOptions, ClipRange, RatioLevel, clipped_surrogate};
use burn::tensor::Tensor;

/// The loss at every token of a row, `[batch, time]`; `advantages` may also be `[batch, 1]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{ClipRange, gspo};
/// let device = Device::flex();
/// let now = Tensor::<2>::from_data([[-1.0, -3.0]], &device);
/// let old = Tensor::<2>::from_data([[-2.0, -2.0]], &device);
/// let mask = Tensor::<2>::ones([1, 2], &device);
/// let advantages = Tensor::<2>::from_data([[2.0]], &device);
/// let range = ClipRange { low: 3e-4, high: 4e-4 };
/// // What one token gained the other lost.
/// let loss = gspo(now, old, advantages, mask, range);
/// assert_eq!(loss.into_data().to_vec::<f32>()?, [-2.0, -2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn gspo(
    logprobs: Tensor<2>,
    old_logprobs: Tensor<2>,
    advantages: Tensor<2>,
    mask: Tensor<2>,
    clip_range: ClipRange,
) -> Tensor<2> {
    let ratio = RatioLevel::Sequence.log_ratio(logprobs, old_logprobs, mask).exp();
    clipped_surrogate(ratio, advantages, &ClipOptions { clip_range, ..Default::default() })
}

/// GSPO-token: the value of [`gspo`], and each token's gradient weighed by its own advantage.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{ClipRange, gspo_token};
/// let device = Device::flex().autodiff();
/// let now = Tensor::<2>::from_data([[-2.0, -2.0]], &device).require_grad();
/// let advantages = Tensor::<2>::from_data([[1.0, -3.0]], &device);
/// let mask = Tensor::<2>::ones([1, 2], &device);
/// let loss = gspo_token(now.clone(), now.clone().detach(), advantages, mask, ClipRange::default());
/// let gradient = now.grad(&loss.sum().backward()).expect("a leaf");
/// assert_eq!(gradient.into_data().to_vec::<f32>()?, [-1.0, 3.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn gspo_token(
    logprobs: Tensor<2>,
    old_logprobs: Tensor<2>,
    advantages: Tensor<2>,
    mask: Tensor<2>,
    clip_range: ClipRange,
) -> Tensor<2> {
    let ratio = RatioLevel::SequenceToken.log_ratio(logprobs, old_logprobs, mask).exp();
    clipped_surrogate(ratio, advantages, &ClipOptions { clip_range, ..Default::default() })
}
