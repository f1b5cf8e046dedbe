//! GPG: centred rewards, scaled up for the groups that say nothing.
//!
//! ```text
//! A_i = alpha (R_i - mean_group) / norm        alpha = rows / rows that count, at least one
//! ```
//!
//! Chu et al., "GPG: A Simple and Strong Reinforcement Learning Baseline" (2025), with the plain
//! [`Reinforce`](crate::loss::Reinforce) loss. In the paper those rows count whose group has
//! unequal rewards. verl counts rewards other than 0, which is the same for 0/1 rewards of groups
//! that aren't all right, and wrong for -1/1.

use super::statistics::{Deviation, Singleton, by_group, check, per_row};
use super::view::groups;
use crate::GrpoError;
use refire_core::{Advantage, Advantages, BoxError, Stateful, StepView};
use serde::{Deserialize, Serialize};

/// Which rows `alpha` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GpgCount {
    /// Rows of groups whose rewards differ: the paper.
    #[default]
    Signal,
    /// Rows whose reward isn't 0: verl.
    NonZero,
}

/// Settings of [`gpg`]; an [`Advantage`] by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gpg {
    /// Which rows `alpha` counts.
    pub count: GpgCount,
    /// What advantages are divided by.
    pub norm: f64,
    /// What a completion without scored siblings is worth, before `alpha`; verl gives it its reward.
    pub singleton: Singleton,
}

impl Default for Gpg {
    /// The paper's count, divided by 1.
    fn default() -> Self {
        Self { count: GpgCount::Signal, norm: 1.0, singleton: Singleton::Zero }
    }
}

impl Gpg {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        crate::loss::positive("advantage.norm", self.norm).into_iter().collect()
    }
}

/// One advantage per row; siblings share a number in `groups`.
///
/// ```
/// use refire_grpo::advantage::{Gpg, gpg};
/// // One group of two says something, the other nothing.
/// let rewards = [1.0, 0.0, 1.0, 1.0].map(Some);
/// assert_eq!(gpg(&rewards, &[0, 0, 1, 1], &Gpg::default())?, [1.0, -1.0, 0.0, 0.0]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the lists differ in length or a reward is not finite.
pub fn gpg(rewards: &[Option<f64>], groups: &[usize], config: &Gpg) -> Result<Vec<f64>, GrpoError> {
    check(rewards, groups)?;
    let own = by_group(rewards, groups, Deviation::Sample);
    let scored = rewards.iter().zip(groups).filter_map(|(r, g)| Some(((*r)?, own.get(g)?)));
    let counts = |(reward, own): &(f64, &super::statistics::Statistics)| match config.count {
        GpgCount::Signal => own.std > 0.0,
        GpgCount::NonZero => *reward != 0.0,
    };
    let rows = scored.clone().count() as f64;
    let alpha = rows / (scored.filter(counts).count() as f64).max(1.0);
    Ok(per_row(rewards, groups, &own, |reward, own| {
        let own = own.with_singleton(config.singleton);
        alpha * (reward - own.mean) / config.norm
    }))
}

impl Stateful for Gpg {}

impl Advantage for Gpg {
    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        Ok(Advantages::per_completion(gpg(&step.rewards(), &groups(step), self)?))
    }
}
