//! GRPO's advantage: a reward against those of its siblings.
//!
//! ```text
//! A_i = (R_i - mean_group) / (std + eps)
//! ```
//!
//! Shao et al., "DeepSeekMath" (2024). The standard deviation has `n - 1` in its variance, as in
//! TRL, verl and OpenRLHF; eps is TRL's 1e-4 (verl 1e-6, OpenRLHF 1e-9). A group with one scored
//! row has advantage 0, as in TRL; verl gives it its reward ([`Singleton::Reward`]), OpenRLHF NaN.
//! verl's vectorised form doesn't let the variance fall below its eps.

use super::statistics::{Deviation, Singleton, Statistics, by_group, check, per_row};
use super::view::groups;
use crate::GrpoError;
use refire_core::{Advantage, Advantages, BoxError, Stateful, StepView};
use serde::{Deserialize, Serialize};

/// What centred rewards are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The standard deviation of the group: GRPO.
    #[default]
    Std,
    /// Nothing: Dr.GRPO, which finds that dividing favours questions that are too easy or too hard.
    None,
    /// The standard deviation over all rows of the step ("Tricks or Traps", 2025); rewards are
    /// still centred by group.
    Batch,
}

/// Settings of [`group_norm`]; an [`Advantage`] by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupNorm {
    /// What centred rewards are divided by.
    pub scale: Scale,
    /// Added to the standard deviation.
    pub eps: f64,
    /// What the variance is divided by.
    pub deviation: Deviation,
    /// What a completion without scored siblings is worth.
    pub singleton: Singleton,
    /// Least variance of a group.
    pub variance_floor: f64,
}

impl Default for GroupNorm {
    /// TRL 1.16: the group's standard deviation, eps 1e-4.
    fn default() -> Self {
        Self {
            scale: Scale::Std,
            eps: 1e-4,
            deviation: Deviation::Sample,
            singleton: Singleton::Zero,
            variance_floor: 0.0,
        }
    }
}

impl GroupNorm {
    /// Rewards against the mean of their group, not divided: Dr.GRPO.
    pub fn centred() -> Self {
        Self { scale: Scale::None, ..Self::default() }
    }

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let floor = self.variance_floor;
        [
            crate::loss::positive("advantage.eps", self.eps),
            crate::loss::not_negative("advantage.variance_floor", floor),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// One advantage per row; siblings share a number in `groups`, in any order.
///
/// ```
/// use refire_grpo::advantage::{GroupNorm, group_norm};
/// let rewards = [Some(1.0), Some(0.0), None, Some(5.0)];
/// let config = GroupNorm::centred();
/// assert_eq!(group_norm(&rewards, &[0, 0, 0, 1], &config)?, [0.5, -0.5, 0.0, 0.0]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the lists differ in length or a reward is not finite.
pub fn group_norm(
    rewards: &[Option<f64>],
    groups: &[usize],
    config: &GroupNorm,
) -> Result<Vec<f64>, GrpoError> {
    check(rewards, groups)?;
    let own = by_group(rewards, groups, config.deviation);
    let all = Statistics::of(rewards.iter().flatten().copied(), config.deviation);
    let floor = config.variance_floor.sqrt();
    Ok(per_row(rewards, groups, &own, |reward, own| {
        let own = Statistics { std: own.std.max(floor), ..own }.with_singleton(config.singleton);
        match config.scale {
            Scale::Std => own.normalise(reward, config.eps),
            Scale::None => reward - own.mean,
            Scale::Batch => Statistics { std: all.std, ..own }.normalise(reward, config.eps),
        }
    }))
}

impl Stateful for GroupNorm {}

impl Advantage for GroupNorm {
    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        Ok(Advantages::per_completion(group_norm(&step.rewards(), &groups(step), self)?))
    }
}
