//! PPO's clipped surrogate, with the bounds that others put on it.
//!
//! ```text
//! loss = max(-A min(r, delta), -A clip(r, 1 - low, 1 + high))
//!      = min(that, -A c)                                           where A < 0
//! ```
//!
//! - `low`, `high`: Schulman et al., "Proximal Policy Optimization" (2017); DAPO raises `high`
//!   alone ("clip-higher").
//! - `c > 1`, dual clip: Ye et al. (2020): a bad token that became likely can't push without
//!   bound. verl always has it (3.0), TRL never.
//! - `delta > 1 + high`, two-sided clip: INTELLECT-2 (2025); TRL. For scalar ratios it is dual
//!   clip by another name.
//!
//! Gradients are those of min, max and clip: outside the bounds there is none.

use crate::GrpoError;
use burn::tensor::{Bool, Tensor};
use serde::{Deserialize, Serialize};

/// How far the ratio may move: from `1 - low` to `1 + high`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipRange {
    /// Distance below 1; from 1 on there is no lower bound.
    pub low: f64,
    /// Distance above 1.
    pub high: f64,
}

impl Default for ClipRange {
    /// PPO's 0.2 on both sides.
    fn default() -> Self {
        Self { low: 0.2, high: 0.2 }
    }
}

/// All bounds of the surrogate.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ClipOptions {
    /// Where the ratio is clipped.
    pub clip_range: ClipRange,
    /// Bound on the loss of bad tokens, in units of `-A`; above 1.
    pub dual_clip: Option<f64>,
    /// Bound on the unclipped ratio; above `1 + high`.
    pub delta: Option<f64>,
}

impl ClipOptions {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let ClipRange { low, high } = self.clip_range;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let above = |x: Option<f64>, bound: f64| x.is_none_or(|x| x.is_finite() && x > bound);
        let show = |x: Option<f64>| x.unwrap_or_default();
        [
            GrpoError::unless(positive(low), "clip_range.low", low, "a positive number"),
            GrpoError::unless(positive(high), "clip_range.high", high, "a positive number"),
            GrpoError::unless(
                above(self.dual_clip, 1.0),
                "dual_clip",
                show(self.dual_clip),
                "above 1",
            ),
            GrpoError::unless(
                above(self.delta, 1.0 + high),
                "delta",
                show(self.delta),
                "above 1 + clip_range.high",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The clipped loss per token, `[batch, time]`; `advantages` may also be `[batch, 1]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{ClipRange, ppo_clip};
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[-1.0, -1.0]], &device);
/// let old_logprobs = Tensor::<2>::from_data([[-1.0, -3.0]], &device);
/// let advantages = Tensor::<2>::from_data([[2.0]], &device);
/// let loss = ppo_clip(logprobs, old_logprobs, advantages, ClipRange::default());
/// assert_eq!(loss.into_data().to_vec::<f32>()?, [-2.0, -2.4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn ppo_clip(
    logprobs: Tensor<2>,
    old_logprobs: Tensor<2>,
    advantages: Tensor<2>,
    clip_range: ClipRange,
) -> Tensor<2> {
    let ratio = (logprobs - old_logprobs).exp();
    clipped_surrogate(ratio, advantages, &ClipOptions { clip_range, ..Default::default() })
}

/// The clipped loss from ratios `[batch, time]` of any kind, with all bounds.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{ClipOptions, clipped_surrogate};
/// let device = Device::flex();
/// let ratio = Tensor::<2>::from_data([[50.0]], &device);
/// let advantages = Tensor::<2>::from_data([[-1.0]], &device);
/// let options = ClipOptions { dual_clip: Some(3.0), ..Default::default() };
/// assert_eq!(clipped_surrogate(ratio, advantages, &options).into_scalar::<f32>(), 3.0);
/// ```
pub fn clipped_surrogate(
    ratio: Tensor<2>,
    advantages: Tensor<2>,
    options: &ClipOptions,
) -> Tensor<2> {
    let dims = ratio.dims();
    let ClipRange { low, high } = options.clip_range;
    let advantages = advantages.expand(dims);
    let clipped = ratio.clone().clamp(1.0 - low, 1.0 + high);
    let free = match options.delta {
        Some(delta) => ratio.clamp_max(delta),
        None => ratio,
    };
    let loss = (free * advantages.clone()).min_pair(clipped * advantages.clone()).neg();
    match options.dual_clip {
        Some(c) => {
            let bounded = loss.clone().min_pair(advantages.clone() * -c);
            loss.mask_where(advantages.lower_scalar(0.0), bounded)
        }
        None => loss,
    }
}

/// Where [`clipped_surrogate`] has no gradient because of its clip range.
#[derive(Debug, Clone)]
pub struct ClipFlags {
    /// Ratio below `1 - low` with a negative advantage.
    pub low: Tensor<2, Bool>,
    /// Ratio above `1 + high` with a positive advantage.
    pub high: Tensor<2, Bool>,
}

/// Which tokens the clip range holds back; what the metrics `clip_ratio/*` count.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{ClipRange, clip_flags};
/// let device = Device::flex();
/// let ratio = Tensor::<2>::from_data([[0.5, 1.0, 1.5]], &device);
/// let advantages = Tensor::<2>::from_data([[1.0]], &device);
/// let flags = clip_flags(ratio, advantages, ClipRange::default());
/// assert!(!flags.low.any().into_scalar::<bool>());
/// assert_eq!(flags.high.into_data().to_vec::<bool>()?, [false, false, true]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn clip_flags(ratio: Tensor<2>, advantages: Tensor<2>, clip_range: ClipRange) -> ClipFlags {
    let advantages = advantages.expand(ratio.dims());
    let below = ratio.clone().lower_scalar(1.0 - clip_range.low);
    let above = ratio.greater_scalar(1.0 + clip_range.high);
    ClipFlags {
        low: below.bool_and(advantages.clone().lower_scalar(0.0)),
        high: above.bool_and(advantages.greater_scalar(0.0)),
    }
}
