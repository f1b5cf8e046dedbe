//! CISPO: the ratio is a weight, and the weight is clipped.
//!
//! ```text
//! loss = -sg(clip(r, lower, upper)) A logprob
//! ```
//!
//! MiniMax-M1 (2025). No token loses its gradient, in contrast to PPO's clip. Peers write the
//! bounds differently: TRL's `epsilon_high` is `upper` itself (ScaleRL takes 5.0) and there is no
//! `lower`; verl's `clip_ratio_low` and `clip_ratio_high` are distances from 1 (10 takes the lower
//! bound away). Here they are the bounds.

use super::ClipRange;
use super::surrogate::{Gate, Measure, RowView, Surrogate, SurrogateInputs, Term, each, positive};
use crate::GrpoError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`cispo`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cispo {
    /// Least weight; none by default.
    pub lower: Option<f64>,
    /// Largest weight.
    pub upper: f64,
}

impl Default for Cispo {
    /// ScaleRL's (2025) upper bound of 5 and no lower one, in TRL's reading.
    fn default() -> Self {
        Self { lower: None, upper: 5.0 }
    }
}

impl Cispo {
    /// Bounds given as distances from 1, as in verl.
    pub fn around_one(range: ClipRange) -> Self {
        Self { lower: Some(1.0 - range.low), upper: 1.0 + range.high }
    }

    fn weight(&self, ratio: f64) -> f64 {
        ratio.max(self.lower.unwrap_or(f64::NEG_INFINITY)).min(self.upper)
    }
}

/// `[batch, time]`; `advantages` may also be `[batch, 1]`. The ratio's gradient is not used.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{Cispo, cispo};
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[-1.0]], &device);
/// let ratio = Tensor::<2>::from_data([[9.0]], &device);
/// let advantages = Tensor::<2>::from_data([[1.0]], &device);
/// assert_eq!(cispo(logprobs, ratio, advantages, Cispo::default()).into_scalar::<f32>(), 5.0);
/// ```
pub fn cispo(
    logprobs: Tensor<2>,
    ratio: Tensor<2>,
    advantages: Tensor<2>,
    config: Cispo,
) -> Tensor<2> {
    let advantages = advantages.expand(logprobs.dims());
    let weight = match config.lower {
        Some(lower) => ratio.detach().clamp(lower, config.upper),
        None => ratio.detach().clamp_max(config.upper),
    };
    (weight * advantages * logprobs).neg()
}

impl Surrogate for Cispo {
    fn name(&self) -> &'static str {
        "cispo"
    }

    fn validate(&self) -> Vec<GrpoError> {
        let lower = self.lower.is_none_or(|lower| lower.is_finite() && lower < self.upper);
        let shown = self.lower.unwrap_or_default();
        let lower = GrpoError::unless(lower, "cispo.lower", shown, "below cispo.upper, or none");
        positive("cispo.upper", self.upper).into_iter().chain(lower).collect()
    }

    fn on_policy(&self) -> Option<f64> {
        Some(self.weight(1.0))
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        Ok(cispo(inputs.logprobs.clone(), inputs.ratio(), inputs.advantages.clone(), *self))
    }

    fn measure(&self, inputs: &SurrogateInputs) -> Vec<Measure> {
        let above = inputs.ratio().greater_scalar(self.upper);
        let high = above.clone().bool_and(inputs.advantages.clone().greater_scalar(0.0));
        let clipped = match self.lower {
            Some(lower) => above.bool_or(inputs.ratio().lower_scalar(lower)),
            None => above,
        };
        vec![
            Measure::flag("cispo_clip_ratio", high, &inputs.mask),
            Measure::flag("clip_ratio/weight_mean", clipped, &inputs.mask),
        ]
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        each(rows, |_, t| {
            let slope = -self.weight(t.log_ratio.exp()) * t.advantage;
            Term::own(slope * t.logprob, slope, Gate::Open)
        })
    }
}
