//! How far trainer and sampler are apart, in numbers for the logs.

use super::seen;
use crate::GrpoError;
use refire_core::Metric;
use serde::{Deserialize, Serialize};

/// Bound on log-ratios before they are squared.
const LIMIT: f64 = 20.0;

/// Off-policy diagnostics of one step, by verl's definitions and names.
///
/// Empty rows have no perplexity and are left out of the means over rows; verl counts them with a
/// log-probability of 0.
///
/// ```
/// use refire_grpo::correction::Mismatch;
/// let old = [vec![-1.0, -2.0]];
/// let gap = Mismatch::of(&old, &old, &[vec![true, true]])?;
/// assert_eq!((gap.kl, gap.ppl_ratio, gap.chi2_seq), (0.0, 1.0, 0.0));
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Mismatch {
    /// Mean perplexity of rows under the trainer.
    pub training_ppl: f64,
    /// Mean negative log-likelihood of rows under the trainer, per token.
    pub training_log_ppl: f64,
    /// Mean over tokens of `behaviour - old`.
    pub kl: f64,
    /// Mean over tokens of `exp(old - behaviour) - (old - behaviour) - 1`.
    pub k3_kl: f64,
    /// Mean perplexity of rows under the sampler.
    pub rollout_ppl: f64,
    /// Mean negative log-likelihood of rows under the sampler, per token.
    pub rollout_log_ppl: f64,
    /// Mean over rows of the difference of mean log-probabilities, `behaviour - old`.
    pub log_ppl_diff: f64,
    /// Mean of its absolute value.
    pub log_ppl_abs_diff: f64,
    /// Its largest value.
    pub log_ppl_diff_max: f64,
    /// Its least value.
    pub log_ppl_diff_min: f64,
    /// Mean over rows of its exponential.
    pub ppl_ratio: f64,
    /// `mean(rho^2) - 1` over tokens.
    pub chi2_token: f64,
    /// `mean(rho^2) - 1` over rows, `rho` being the product over a row's tokens.
    pub chi2_seq: f64,
}

impl Mismatch {
    /// The diagnostics of ragged rows; all 0 without any token.
    ///
    /// # Errors
    /// When the columns don't fit each other.
    pub fn of(
        old_logprobs: &[Vec<f64>],
        behaviour_logprobs: &[Vec<f64>],
        mask: &[Vec<bool>],
    ) -> Result<Self, GrpoError> {
        GrpoError::same_shape("old_logprobs", old_logprobs, mask)?;
        GrpoError::same_shape("behaviour_logprobs", behaviour_logprobs, mask)?;
        let columns = old_logprobs.iter().zip(behaviour_logprobs).zip(mask);
        let rows: Vec<Vec<(f64, f64)>> = columns
            .map(|((old, new), mask)| seen(old, mask).zip(seen(new, mask)).collect())
            .filter(|row: &Vec<_>| !row.is_empty())
            .collect();
        if rows.is_empty() {
            return Ok(Self::default());
        }
        let token = |f: &dyn Fn(f64, f64) -> f64| {
            let all = rows.iter().flatten();
            all.clone().map(|(old, new)| f(*old, *new)).sum::<f64>() / all.count() as f64
        };
        let means: Vec<(f64, f64)> = rows
            .iter()
            .map(|row| {
                let count = row.len() as f64;
                let (old, new) = row.iter().fold((0.0, 0.0), |(a, b), (o, n)| (a + o, b + n));
                (old / count, new / count)
            })
            .collect();
        let row = |f: &dyn Fn(f64, f64) -> f64| {
            means.iter().map(|(old, new)| f(*old, *new)).sum::<f64>() / means.len() as f64
        };
        let gaps = || means.iter().map(|(old, new)| new - old);
        let squared = |log_rho: f64| (2.0 * log_rho.clamp(-LIMIT, LIMIT)).exp();
        let sums = rows.iter().map(|row| row.iter().map(|(old, new)| old - new).sum::<f64>());
        Ok(Self {
            training_ppl: row(&|old, _| (-old).exp()),
            training_log_ppl: row(&|old, _| -old),
            kl: token(&|old, new| new - old),
            k3_kl: token(&|old, new| (old - new).exp() - (old - new) - 1.0),
            rollout_ppl: row(&|_, new| (-new).exp()),
            rollout_log_ppl: row(&|_, new| -new),
            log_ppl_diff: row(&|old, new| new - old),
            log_ppl_abs_diff: row(&|old, new| (new - old).abs()),
            log_ppl_diff_max: gaps().fold(f64::NEG_INFINITY, f64::max),
            log_ppl_diff_min: gaps().fold(f64::INFINITY, f64::min),
            ppl_ratio: row(&|old, new| (new - old).exp()),
            chi2_token: token(&|old, new| squared(old - new)) - 1.0,
            chi2_seq: sums.map(squared).sum::<f64>() / means.len() as f64 - 1.0,
        })
    }

    /// Named values, without prefix.
    pub fn values(&self) -> [(&'static str, f64); 13] {
        [
            ("training_ppl", self.training_ppl),
            ("training_log_ppl", self.training_log_ppl),
            ("kl", self.kl),
            ("k3_kl", self.k3_kl),
            ("rollout_ppl", self.rollout_ppl),
            ("rollout_log_ppl", self.rollout_log_ppl),
            ("log_ppl_diff", self.log_ppl_diff),
            ("log_ppl_abs_diff", self.log_ppl_abs_diff),
            ("log_ppl_diff_max", self.log_ppl_diff_max),
            ("log_ppl_diff_min", self.log_ppl_diff_min),
            ("ppl_ratio", self.ppl_ratio),
            ("chi2_token", self.chi2_token),
            ("chi2_seq", self.chi2_seq),
        ]
    }

    /// The same as metrics of a step, under `rollout_corr/`.
    pub fn metrics(&self) -> Vec<Metric> {
        let metric = |(name, value)| Metric::mean(format!("rollout_corr/{name}"), value, 1.0);
        self.values().into_iter().map(metric).collect()
    }
}
