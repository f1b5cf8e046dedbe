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
//!   bound. verl always has it (3.0), OpenRLHF at will, TRL never.
//! - `delta > 1 + high`, two-sided clip: INTELLECT-2 (2025); TRL. For scalar ratios it is dual
//!   clip by another name.
//!
//! Gradients are those of min, max and clip: outside the bounds there is none.

use super::surrogate::{Gate, Measure, Over, RowView, Surrogate, SurrogateInputs, Term, each};
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

impl ClipRange {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let (low, high) = (self.low, self.high);
        [
            GrpoError::unless(positive(low), "clip_range.low", low, "a positive number"),
            GrpoError::unless(positive(high), "clip_range.high", high, "a positive number"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The ratio within the range.
    pub fn clip(&self, ratio: Tensor<2>) -> Tensor<2> {
        ratio.clamp(1.0 - self.low, 1.0 + self.high)
    }

    /// Whether the range holds a ratio back at this advantage.
    pub(crate) fn gate(&self, ratio: f64, advantage: f64) -> Gate {
        if advantage > 0.0 && ratio > 1.0 + self.high {
            Gate::ClippedHigh
        } else if advantage < 0.0 && ratio < 1.0 - self.low {
            Gate::ClippedLow
        } else {
            Gate::Open
        }
    }
}

/// All bounds of the surrogate; a [`Surrogate`] by itself.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClipOptions {
    /// Where the ratio is clipped.
    pub clip_range: ClipRange,
    /// Bound on the loss of bad tokens, in units of `-A`; above 1.
    pub dual_clip: Option<f64>,
    /// Bound on the unclipped ratio; above `1 + high`.
    pub delta: Option<f64>,
}

impl ClipOptions {
    /// A range without further bounds.
    pub fn range(low: f64, high: f64) -> Self {
        Self { clip_range: ClipRange { low, high }, ..Self::default() }
    }
}

impl Surrogate for ClipOptions {
    fn name(&self) -> &'static str {
        "ppo_clip"
    }

    fn validate(&self) -> Vec<GrpoError> {
        let above = |x: Option<f64>, bound: f64| x.is_none_or(|x| x.is_finite() && x > bound);
        let show = |x: Option<f64>| x.unwrap_or_default();
        let delta = above(self.delta, 1.0 + self.clip_range.high);
        let own = [
            GrpoError::unless(
                above(self.dual_clip, 1.0),
                "dual_clip",
                show(self.dual_clip),
                "above 1",
            ),
            GrpoError::unless(delta, "delta", show(self.delta), "above 1 + clip_range.high"),
        ];
        self.clip_range.validate().into_iter().chain(own.into_iter().flatten()).collect()
    }

    fn on_policy(&self) -> Option<f64> {
        Some(1.0)
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        Ok(clipped_surrogate(inputs.ratio(), inputs.advantages.clone(), self))
    }

    fn measure(&self, inputs: &SurrogateInputs) -> Vec<Measure> {
        let (ratio, advantages) = (inputs.ratio(), inputs.advantages.clone());
        let mut measures = clip_measures(ratio.clone(), advantages.clone(), self.clip_range);
        if let Some(bound) = self.dual_clip {
            let beyond = ratio.greater_scalar(bound).bool_and(advantages.lower_scalar(0.0));
            measures.push(Measure::flag("clip_ratio/dual_mean", beyond, &inputs.mask));
        }
        measures
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        each(rows, |row, token| {
            let (ratio, advantage) = (token.log_ratio.exp(), token.advantage);
            let free = self.delta.map_or(ratio, |delta| ratio.min(delta));
            let range = self.clip_range;
            let clipped = ratio.clamp(1.0 - range.low, 1.0 + range.high);
            let mut loss = (-advantage * free).max(-advantage * clipped);
            let mut gate = range.gate(ratio, advantage);
            if gate == Gate::Open && advantage < 0.0 {
                let dual = self.dual_clip.is_some_and(|c| loss > -advantage * c);
                if dual || free < ratio {
                    gate = Gate::DualClipped;
                }
                loss = self.dual_clip.map_or(loss, |c| loss.min(-advantage * c));
            }
            let slope = if gate == Gate::Open { -advantage * ratio } else { 0.0 };
            Term::by_ratio(row, token, loss, slope, gate)
        })
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
    let advantages = advantages.expand(ratio.dims());
    let clipped = options.clip_range.clip(ratio.clone());
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

impl ClipFlags {
    /// Both.
    pub fn any(&self) -> Tensor<2, Bool> {
        self.low.clone().bool_or(self.high.clone())
    }
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

/// The metrics that every clipped loss has, by TRL's names.
pub(super) fn clip_measures(
    ratio: Tensor<2>,
    advantages: Tensor<2>,
    clip_range: ClipRange,
) -> Vec<Measure> {
    let flags = clip_flags(ratio, advantages.clone(), clip_range);
    let numbers = |flags: Tensor<2, Bool>| flags.float().cast(advantages.dtype());
    let (low, high) = (numbers(flags.low.clone()), numbers(flags.high.clone()));
    vec![
        Measure::tokens("clip_ratio/low_mean", low.clone()),
        Measure::tokens("clip_ratio/high_mean", high.clone()),
        Measure::tokens("clip_ratio/region_mean", numbers(flags.any())),
        Measure { name: "clip_ratio/low_min", values: low, over: Over::RowMin },
        Measure { name: "clip_ratio/high_max", values: high, over: Over::RowMax },
    ]
}
