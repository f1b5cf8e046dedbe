//! KL-Cov: a few tokens of high covariance are held by a penalty.
//!
//! ```text
//! loss = -A r, and + coef |logprob - old_logprob| at the chosen tokens
//! ```
//!
//! Cui et al., "The Entropy Mechanism of Reinforcement Learning" (2025); verl's `kl_cov`. There is
//! no clip. Chosen are the 2e-4 of the step's tokens with the highest covariance; see
//! [`top_covariance`](super::top_covariance).

use super::surrogate::{
    Gate, Measure, RowView, Surrogate, SurrogateInputs, Term, each, not_negative,
};
use crate::GrpoError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`kl_cov`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KlCov {
    /// How many tokens are held, as a fraction of all; at least one is.
    pub fraction: f64,
    /// Weight of the penalty.
    pub coef: f64,
}

impl Default for KlCov {
    /// verl: 2e-4 of the tokens, weight 1.
    fn default() -> Self {
        Self { fraction: 2e-4, coef: 1.0 }
    }
}

/// `[batch, time]` from log-ratios; `chosen` is 1 at the tokens to hold.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::kl_cov;
/// let device = Device::flex();
/// let log_ratio = Tensor::<2>::from_data([[0.0, -1.0]], &device);
/// let chosen = Tensor::<2>::from_data([[0.0, 1.0]], &device);
/// let loss = kl_cov(log_ratio, Tensor::zeros([1, 1], &device), chosen, 0.5);
/// assert_eq!(loss.into_data().to_vec::<f32>()?, [0.0, 0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn kl_cov(
    log_ratio: Tensor<2>,
    advantages: Tensor<2>,
    chosen: Tensor<2>,
    coef: f64,
) -> Tensor<2> {
    let advantages = advantages.expand(log_ratio.dims());
    log_ratio.clone().abs() * chosen * coef - log_ratio.exp() * advantages
}

impl Surrogate for KlCov {
    fn name(&self) -> &'static str {
        "kl_cov"
    }

    fn validate(&self) -> Vec<GrpoError> {
        let fraction = self.fraction > 0.0 && self.fraction <= 1.0;
        let range = "above 0, at most 1";
        let fraction = GrpoError::unless(fraction, "kl_cov.fraction", self.fraction, range);
        fraction.into_iter().chain(not_negative("kl_cov.coef", self.coef)).collect()
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        let chosen = inputs.chosen(self.name())?;
        Ok(kl_cov(inputs.log_ratio.clone(), inputs.advantages.clone(), chosen, self.coef))
    }

    fn measure(&self, inputs: &SurrogateInputs) -> Vec<Measure> {
        vec![Measure::tokens("ppo_kl_abs", inputs.token_log_ratio().abs())]
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        each(rows, |row, t| {
            let held = if t.selected { self.coef } else { 0.0 };
            let sign = if t.log_ratio == 0.0 { 0.0 } else { t.log_ratio.signum() };
            let policy = -t.advantage * t.log_ratio.exp();
            let loss = policy + held * t.log_ratio.abs();
            Term::by_ratio(row, t, loss, policy + held * sign, Gate::Open)
        })
    }
}
