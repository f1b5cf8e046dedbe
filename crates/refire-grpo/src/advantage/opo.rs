//! OPO: the baseline that leaves the least variance, by lengths.
//!
//! ```text
//! b   = sum_j len_j R_j / sum_j len_j        over the scored rows of a group
//! A_i = R_i - b
//! ```
//!
//! Hao et al., "On-Policy RL with Optimal Reward Baseline" (arXiv 2505.23585); verl. It is optimal
//! exactly on-policy only. A group without any visible token has no baseline: its rows get 0, verl
//! divides 0 by 0.

use super::statistics::{Singleton, check, members};
use super::view::groups;
use crate::GrpoError;
use refire_core::{Advantage, Advantages, BoxError, Stateful, StepView};
use serde::{Deserialize, Serialize};

/// Settings of [`opo`]; an [`Advantage`] by itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Opo {
    /// What a completion without scored siblings is worth; verl gives it its reward.
    pub singleton: Singleton,
}

/// One advantage per row; `lengths` are numbers of visible tokens.
///
/// ```
/// use refire_grpo::advantage::{Opo, opo};
/// let advantages = opo(&[Some(1.0), Some(0.0)], &[3.0, 1.0], &[0, 0], &Opo::default())?;
/// assert_eq!(advantages, [0.25, -0.75]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the lists differ in length or a reward is not finite.
pub fn opo(
    rewards: &[Option<f64>],
    lengths: &[f64],
    groups: &[usize],
    config: &Opo,
) -> Result<Vec<f64>, GrpoError> {
    check(rewards, groups)?;
    let (found, expected) = (lengths.len(), rewards.len());
    if found != expected {
        return Err(GrpoError::Count { what: "lengths of rows", found, expected });
    }
    let mut advantages = vec![0.0; rewards.len()];
    for rows in members(groups).into_values() {
        let scored: Vec<(usize, f64)> =
            rows.into_iter().filter_map(|row| Some((row, rewards[row]?))).collect();
        if let [(row, reward)] = scored[..] {
            advantages[row] = if config.singleton == Singleton::Reward { reward } else { 0.0 };
            continue;
        }
        let total: f64 = scored.iter().map(|(row, _)| lengths[*row]).sum();
        if total > 0.0 {
            let sum: f64 = scored.iter().map(|(row, reward)| lengths[*row] * reward).sum();
            scored.iter().for_each(|(row, reward)| advantages[*row] = reward - sum / total);
        }
    }
    Ok(advantages)
}

impl Stateful for Opo {}

impl Advantage for Opo {
    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        let length = |mask: &Vec<bool>| mask.iter().filter(|m| **m).count() as f64;
        let lengths: Vec<f64> = step.mask.iter().map(length).collect();
        Ok(Advantages::per_completion(opo(&step.rewards(), &lengths, &groups(step), self)?))
    }
}
