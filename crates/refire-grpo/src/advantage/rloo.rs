//! RLOO: a reward against the mean of its siblings, itself left out.
//!
//! ```text
//! A_i = R_i - sum_{j != i} R_j / (n - 1)
//! ```
//!
//! Ahmadian et al., "Back to Basics" (2024). TRL takes the divergence of the whole row from the
//! reward beforehand (`beta` 0.05, k1) and may divide by the step's deviation; its loss clips the
//! ratio of whole sequences ([`RatioLevel::SequenceSum`](crate::loss::RatioLevel)). A lone row gets
//! 0, as in TRL and verl's vectorised form; verl's loop gives it its reward, OpenRLHF divides 0 by
//! 0.

use super::KlInReward;
use super::statistics::{Deviation, Singleton, Statistics, by_group, check, per_row};
use super::view::{column, groups};
use crate::GrpoError;
use refire_core::{Advantage, Advantages, BoxError, Needs, Stateful, StepView};
use serde::{Deserialize, Serialize};

/// Settings of [`rloo`]; an [`Advantage`] by itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rloo {
    /// What a completion without scored siblings is worth.
    pub singleton: Singleton,
    /// Normalise by mean and deviation of the step, adding this to the deviation; TRL's 1e-4.
    pub normalize_eps: Option<f64>,
    /// Take a row's summed divergence from its reward beforehand; TRL's beta is 0.05.
    pub kl: Option<KlInReward>,
}

impl Rloo {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let eps =
            self.normalize_eps.and_then(|e| crate::loss::positive("advantage.normalize_eps", e));
        eps.into_iter().chain(self.kl.iter().flat_map(KlInReward::validate)).collect()
    }
}

/// One advantage per row; siblings share a number in `groups`.
///
/// ```
/// use refire_grpo::advantage::{Rloo, rloo};
/// let rewards = [Some(1.0), Some(0.0), Some(0.0), None];
/// assert_eq!(rloo(&rewards, &[0; 4], &Rloo::default())?, [1.0, -0.5, -0.5, 0.0]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the lists differ in length or a reward is not finite.
pub fn rloo(
    rewards: &[Option<f64>],
    groups: &[usize],
    config: &Rloo,
) -> Result<Vec<f64>, GrpoError> {
    check(rewards, groups)?;
    let own = by_group(rewards, groups, Deviation::Sample);
    let lone = |count: usize| count < 2 && config.singleton == Singleton::Zero;
    let raw = per_row(rewards, groups, &own, |reward, own| {
        let count = own.count as f64;
        match own.count {
            0 | 1 if lone(own.count) => 0.0,
            0 | 1 => reward,
            _ => (reward - own.mean) * count / (count - 1.0),
        }
    });
    let Some(eps) = config.normalize_eps else { return Ok(raw) };
    // Lone rows have no advantage that could be normalised: they leave the statistics.
    let counts = |row: usize| {
        let count = own.get(&groups[row]).map_or(0, |own| own.count);
        rewards[row].is_some() && !lone(count)
    };
    let scored: Vec<f64> = (0..raw.len()).filter(|row| counts(*row)).map(|row| raw[row]).collect();
    let all = Statistics::of(scored.into_iter(), Deviation::Sample);
    let rows = raw.iter().enumerate();
    Ok(rows.map(|(row, a)| if counts(row) { all.normalise(*a, eps) } else { 0.0 }).collect())
}

impl Stateful for Rloo {}

impl Advantage for Rloo {
    fn needs(&self) -> Needs {
        let kl = self.kl.is_some();
        Needs { old_logprobs: kl, ref_logprobs: kl, ..Needs::NONE }
    }

    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        let mut rewards = step.rewards();
        if let Some(kl) = &self.kl {
            let old = column(&step.columns.old_logprobs, "old_logprobs")?;
            let reference = column(&step.columns.ref_logprobs, "ref_logprobs")?;
            let mut tokens: Vec<Vec<f64>> = step.mask.iter().map(|m| vec![0.0; m.len()]).collect();
            kl.subtract(&mut tokens, &old, &reference, step.mask)?;
            for (reward, row) in rewards.iter_mut().zip(tokens) {
                *reward = reward.map(|r| r + row.iter().sum::<f64>());
            }
        }
        Ok(Advantages::per_completion(rloo(&rewards, &groups(step), self)?))
    }
}
