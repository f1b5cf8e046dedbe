//! GPPO and CE-GPPO: PPO's clip that keeps a bounded gradient.
//!
//! ```text
//! A > 0, r > 1 + high      loss = -A beta_high (1 + high) r / sg(r)
//! A < 0, r < 1 - low       loss = -A beta_low (1 - low) r / sg(r)
//! elsewhere                loss = -A r
//! ```
//!
//! "Klear-Reasoner" (arXiv 2508.07629): with both betas 1 the value is PPO's, and a clipped token
//! still pushes with the weight of the bound. CE-GPPO (arXiv 2509.20712) scales the two regions to
//! steer entropy; its recipes have `beta_low` 0.5 (1.5B) or 0.75 (7B) and `beta_high` 1.

use super::ClipRange;
use super::ppo_clip::{clip_flags, clip_measures};
use super::surrogate::{
    Gate, Measure, RowView, Surrogate, SurrogateInputs, Term, each, not_negative,
};
use crate::GrpoError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`gppo`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gppo {
    /// Where the gradient's weight stops to grow or fall.
    pub clip_range: ClipRange,
    /// Weight of bad tokens below the range.
    pub beta_low: f64,
    /// Weight of good tokens above the range.
    pub beta_high: f64,
}

impl Default for Gppo {
    /// GPPO: both betas 1, PPO's range.
    fn default() -> Self {
        Self { clip_range: ClipRange::default(), beta_low: 1.0, beta_high: 1.0 }
    }
}

/// `[batch, time]` from log-ratios; `advantages` may also be `[batch, 1]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{Gppo, gppo};
/// let device = Device::flex().autodiff();
/// let log_ratio = Tensor::<2>::from_data([[1.0]], &device).require_grad();
/// let advantages = Tensor::<2>::from_data([[1.0]], &device);
/// let loss = gppo(log_ratio.clone(), advantages, &Gppo::default());
/// let gradient = log_ratio.grad(&loss.backward()).expect("a leaf");
/// assert_eq!(gradient.into_scalar::<f32>(), -1.2);
/// ```
pub fn gppo(log_ratio: Tensor<2>, advantages: Tensor<2>, config: &Gppo) -> Tensor<2> {
    let advantages = advantages.expand(log_ratio.dims());
    let ClipRange { low, high } = config.clip_range;
    let flags = clip_flags(log_ratio.clone().exp(), advantages.clone(), config.clip_range);
    // exp(d - sg(d)) is 1 with the gradient of d. The plain branch is hidden where a bound is in
    // force, so that an infinite ratio there has no say.
    let one = (log_ratio.clone() - log_ratio.clone().detach()).exp();
    let plain = log_ratio.mask_fill(flags.any(), 0.0).exp();
    let weight = plain
        .mask_where(flags.high, one.clone() * (config.beta_high * (1.0 + high)))
        .mask_where(flags.low, one * (config.beta_low * (1.0 - low)));
    (weight * advantages).neg()
}

impl Surrogate for Gppo {
    fn name(&self) -> &'static str {
        "gppo"
    }

    fn validate(&self) -> Vec<GrpoError> {
        let low = self.clip_range.low;
        let fits = GrpoError::unless(low <= 1.0, "clip_range.low", low, "at most 1 in GPPO");
        let betas = [
            not_negative("gppo.beta_low", self.beta_low),
            not_negative("gppo.beta_high", self.beta_high),
            fits,
        ];
        self.clip_range.validate().into_iter().chain(betas.into_iter().flatten()).collect()
    }

    fn on_policy(&self) -> Option<f64> {
        Some(1.0)
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        Ok(gppo(inputs.log_ratio.clone(), inputs.advantages.clone(), self))
    }

    fn measure(&self, inputs: &SurrogateInputs) -> Vec<Measure> {
        clip_measures(inputs.ratio(), inputs.advantages.clone(), self.clip_range)
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        each(rows, |row, token| {
            let ratio = token.log_ratio.exp();
            let weight = match self.clip_range.gate(ratio, token.advantage) {
                Gate::ClippedHigh => self.beta_high * (1.0 + self.clip_range.high),
                Gate::ClippedLow => self.beta_low * (1.0 - self.clip_range.low),
                _ => ratio,
            };
            let loss = -token.advantage * weight;
            Term::by_ratio(row, token, loss, loss, Gate::Open)
        })
    }
}
