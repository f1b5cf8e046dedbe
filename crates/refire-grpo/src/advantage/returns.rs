//! Rewards of tokens, and what is still to come of them.
//!
//! ```text
//! G_t = r_t + gamma G_{t+1}
//! ```
//!
//! Peers part where the mask has holes (a tool's output in the middle of a row); [`Holes`] says
//! which way to take.

use crate::GrpoError;
use crate::loss::not_negative;
use refire_objective::{KlClamp, KlEstimator};
use serde::{Deserialize, Serialize};

/// What masked tokens do to sums over the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holes {
    /// They don't exist: what comes after them counts as if it followed directly. verl's GAE.
    #[default]
    Skip,
    /// They are steps of reward and value 0, and discount what comes after. OpenRLHF.
    Pass,
    /// They cut: nothing that comes after them counts. verl's REINFORCE++.
    Cut,
}

/// Each row's total at its last visible token; rows without one get nothing.
///
/// ```
/// use refire_grpo::advantage::terminal_rewards;
/// let rewards = terminal_rewards(&[2.0], &[vec![true, true, false]])?;
/// assert_eq!(rewards, [[0.0, 2.0, 0.0]]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When there isn't one total per row.
pub fn terminal_rewards(totals: &[f64], mask: &[Vec<bool>]) -> Result<Vec<Vec<f64>>, GrpoError> {
    let (found, expected) = (totals.len(), mask.len());
    if found != expected {
        return Err(GrpoError::Count { what: "rewards of rows", found, expected });
    }
    let row = |(total, mask): (&f64, &Vec<bool>)| {
        let mut row = vec![0.0; mask.len()];
        if let Some(last) = mask.iter().rposition(|m| *m) {
            row[last] = *total;
        }
        row
    };
    Ok(totals.iter().zip(mask).map(row).collect())
}

/// Discounted sums of the rewards still to come, 0 where masked. Rewards at masked tokens don't
/// count.
///
/// ```
/// use refire_grpo::advantage::{Holes, returns_to_go};
/// let (rewards, mask) = ([vec![1.0, 9.0, 4.0]], [vec![true, false, true]]);
/// assert_eq!(returns_to_go(&rewards, &mask, 0.5, Holes::Skip)?, [[3.0, 0.0, 4.0]]);
/// assert_eq!(returns_to_go(&rewards, &mask, 0.5, Holes::Pass)?, [[2.0, 0.0, 4.0]]);
/// assert_eq!(returns_to_go(&rewards, &mask, 0.5, Holes::Cut)?, [[1.0, 0.0, 4.0]]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When rewards and mask don't fit each other.
pub fn returns_to_go(
    rewards: &[Vec<f64>],
    mask: &[Vec<bool>],
    gamma: f64,
    holes: Holes,
) -> Result<Vec<Vec<f64>>, GrpoError> {
    GrpoError::same_shape("rewards", rewards, mask)?;
    let row = |(rewards, mask): (&Vec<f64>, &Vec<bool>)| {
        let mut returns = vec![0.0; rewards.len()];
        let mut next = 0.0;
        for token in (0..rewards.len()).rev() {
            if mask[token] {
                next = rewards[token] + gamma * next;
                returns[token] = next;
            } else {
                next = match holes {
                    Holes::Skip => next,
                    Holes::Pass => gamma * next,
                    Holes::Cut => 0.0,
                };
            }
        }
        returns
    };
    Ok(rewards.iter().zip(mask).map(row).collect())
}

/// The divergence from the reference as part of the reward, token by token: `r_t - beta KL_t`.
///
/// verl's `use_kl_in_reward`, OpenRLHF's default. As the divergence is that of the step's start,
/// it carries no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KlInReward {
    /// Its weight.
    pub beta: f64,
    /// How it is estimated.
    pub estimator: KlEstimator,
    /// Bounds on the estimate.
    pub clamp: KlClamp,
}

impl Default for KlInReward {
    /// OpenRLHF: 0.01, k1.
    fn default() -> Self {
        Self { beta: 0.01, estimator: KlEstimator::K1, clamp: KlClamp::NONE }
    }
}

impl KlInReward {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let clamp = self.clamp.validate().into_iter().map(GrpoError::Objective);
        not_negative("advantage.kl.beta", self.beta).into_iter().chain(clamp).collect()
    }

    /// Takes `beta KL` from the reward of every visible token.
    ///
    /// # Errors
    /// When the columns don't fit each other.
    pub fn subtract(
        &self,
        rewards: &mut [Vec<f64>],
        old_logprobs: &[Vec<f64>],
        ref_logprobs: &[Vec<f64>],
        mask: &[Vec<bool>],
    ) -> Result<(), GrpoError> {
        GrpoError::same_shape("rewards", rewards, mask)?;
        GrpoError::same_shape("old_logprobs", old_logprobs, mask)?;
        GrpoError::same_shape("ref_logprobs", ref_logprobs, mask)?;
        for (row, rewards) in rewards.iter_mut().enumerate() {
            for (token, reward) in rewards.iter_mut().enumerate().filter(|(t, _)| mask[row][*t]) {
                let gap = old_logprobs[row][token] - ref_logprobs[row][token];
                *reward -= self.beta * self.estimator.at(gap, self.clamp).0;
            }
        }
        Ok(())
    }
}
