//! Clip-Cov: a few tokens of high covariance lose their gradient.
//!
//! ```text
//! loss = max(-A r, -A clip(r, 1 - low, 1 + high)), and 0 at the chosen tokens
//! ```
//!
//! Cui et al., "The Entropy Mechanism of Reinforcement Learning" (2025); verl's `clip_cov`. Chosen
//! is a random 2e-4 of the step's tokens, among those with a covariance between 1 and 5 that the
//! range doesn't hold back already; see [`random_covariance`](super::random_covariance). verl
//! draws from its global generator, here the draw is keyed by seed and step.

use super::surrogate::{Gate, Measure, RowView, Surrogate, SurrogateInputs, Term};
use super::{ClipOptions, ClipRange, clipped_surrogate};
use crate::GrpoError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of Clip-Cov.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClipCov {
    /// PPO's range.
    pub clip_range: ClipRange,
    /// How many tokens lose their gradient, as a fraction of all; at least one does.
    pub fraction: f64,
    /// Covariance above which a token may be chosen.
    pub lower: f64,
    /// Covariance below which a token may be chosen.
    pub upper: f64,
    /// Seed of the choice.
    pub seed: u64,
}

impl Default for ClipCov {
    /// verl: 2e-4 of the tokens with a covariance between 1 and 5.
    fn default() -> Self {
        Self { clip_range: ClipRange::default(), fraction: 2e-4, lower: 1.0, upper: 5.0, seed: 0 }
    }
}

/// `[batch, time]` from ratios; `chosen` is 1 at the tokens to drop.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{ClipRange, clip_cov};
/// let device = Device::flex();
/// let (ratio, chosen) = (Tensor::<2>::ones([1, 2], &device), Tensor::from_data([[0.0, 1.0]], &device));
/// let loss = clip_cov(ratio, Tensor::ones([1, 1], &device), chosen, ClipRange::default());
/// assert_eq!(loss.into_data().to_vec::<f32>()?, [-1.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn clip_cov(
    ratio: Tensor<2>,
    advantages: Tensor<2>,
    chosen: Tensor<2>,
    clip_range: ClipRange,
) -> Tensor<2> {
    let options = ClipOptions { clip_range, ..Default::default() };
    let ratio = ratio.mask_fill(chosen.clone().not_equal_scalar(0.0), 1.0);
    clipped_surrogate(ratio, advantages, &options) * (chosen.neg() + 1.0)
}

impl Surrogate for ClipCov {
    fn name(&self) -> &'static str {
        "clip_cov"
    }

    fn validate(&self) -> Vec<GrpoError> {
        let fraction = self.fraction > 0.0 && self.fraction <= 1.0;
        let bounds = self.lower.is_finite() && self.upper.is_finite() && self.lower < self.upper;
        let own = [
            GrpoError::unless(fraction, "clip_cov.fraction", self.fraction, "above 0, at most 1"),
            GrpoError::unless(bounds, "clip_cov.lower", self.lower, "below clip_cov.upper"),
        ];
        self.clip_range.validate().into_iter().chain(own.into_iter().flatten()).collect()
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        let chosen = inputs.chosen(self.name())?;
        Ok(clip_cov(inputs.ratio(), inputs.advantages.clone(), chosen, self.clip_range))
    }

    fn measure(&self, inputs: &SurrogateInputs) -> Vec<Measure> {
        let ratio = inputs.ratio();
        let mut all =
            super::ppo_clip::clip_measures(ratio, inputs.advantages.clone(), self.clip_range);
        all.extend(inputs.selected.clone().map(|s| Measure::tokens("clip_cov/dropped_mean", s)));
        all
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        let plain = ClipOptions { clip_range: self.clip_range, ..Default::default() };
        let terms = plain.terms(rows).into_iter().zip(rows).map(|(terms, row)| {
            let drop = |(term, token): (Term, &super::TokenView)| {
                if token.selected { Term::own(0.0, 0.0, Gate::Selected) } else { term }
            };
            terms.into_iter().zip(&row.tokens).map(drop).collect()
        });
        terms.collect()
    }
}
