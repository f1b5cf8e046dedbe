//! Difficulty weights: how much a group counts, by how well it did.
//!
//! ```text
//! A_i <- phi(mean_group R) A_i
//! inverse        phi = exp(1 - mean)                     UniVG-R1's form
//! linear         phi = 1 + slope (1/2 - mean)
//! uncertainty    phi = 4 mean (1 - mean)                 1 where half of the answers are right
//! ```
//!
//! A family over any other advantage, for rewards from 0 to 1. Papers on "difficulty-aware" GRPO
//! differ in phi and don't all print it; none is claimed to be VITAL's.

use super::AdvantageConfig;
use super::statistics::{Deviation, by_group, check};
use super::view::groups;
use crate::GrpoError;
use refire_core::{
    Advantage, AdvantageValues, Advantages, BoxError, Needs, Ragged, Stateful, StepView,
};
use serde::{Deserialize, Serialize};

/// The weight of a group, from its mean reward.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DifficultyWeight {
    /// `exp(1 - mean)`.
    #[default]
    Inverse,
    /// `1 + slope (1/2 - mean)`, at least 0.
    Linear {
        /// How much more hard groups count than easy ones.
        slope: f64,
    },
    /// `4 mean (1 - mean)`, at least 0.
    Uncertainty,
}

impl DifficultyWeight {
    /// The weight.
    ///
    /// ```
    /// use refire_grpo::advantage::DifficultyWeight;
    /// assert_eq!(DifficultyWeight::Inverse.at(1.0), 1.0);
    /// assert_eq!(DifficultyWeight::Linear { slope: 1.0 }.at(0.0), 1.5);
    /// assert_eq!(DifficultyWeight::Uncertainty.at(0.5), 1.0);
    /// ```
    pub fn at(self, mean_reward: f64) -> f64 {
        match self {
            Self::Inverse => (1.0 - mean_reward).exp(),
            Self::Linear { slope } => (1.0 + slope * (0.5 - mean_reward)).max(0.0),
            Self::Uncertainty => (4.0 * mean_reward * (1.0 - mean_reward)).max(0.0),
        }
    }
}

/// Settings: another advantage, and its weights.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DifficultyConfig {
    /// What is weighted.
    pub base: Box<AdvantageConfig>,
    /// The weight of a group.
    pub weight: DifficultyWeight,
}

impl DifficultyConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let slope = match self.weight {
            DifficultyWeight::Linear { slope } => {
                let fine = slope.is_finite();
                GrpoError::unless(fine, "advantage.weight.slope", slope, "a finite number")
            }
            DifficultyWeight::Inverse | DifficultyWeight::Uncertainty => None,
        };
        self.base.validate().into_iter().chain(slope).collect()
    }
}

/// One factor per row: the weight of its group. Groups without a score have weight 1, of nothing.
///
/// ```
/// use refire_grpo::advantage::{DifficultyWeight, difficulty_weights};
/// let rewards = [1.0, 0.0, 1.0, 1.0].map(Some);
/// let weights = difficulty_weights(&rewards, &[0, 0, 1, 1], DifficultyWeight::Uncertainty)?;
/// assert_eq!(weights, [1.0, 1.0, 0.0, 0.0]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the lists differ in length or a reward is not finite.
pub fn difficulty_weights(
    rewards: &[Option<f64>],
    groups: &[usize],
    weight: DifficultyWeight,
) -> Result<Vec<f64>, GrpoError> {
    check(rewards, groups)?;
    let own = by_group(rewards, groups, Deviation::Sample);
    let of = |group: &usize| own.get(group).filter(|own| own.count > 0);
    Ok(groups.iter().map(|group| of(group).map_or(1.0, |own| weight.at(own.mean))).collect())
}

/// The weighted advantage.
pub struct Difficulty {
    base: Box<dyn Advantage>,
    weight: DifficultyWeight,
}

impl std::fmt::Debug for Difficulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Difficulty").field("weight", &self.weight).finish_non_exhaustive()
    }
}

impl Difficulty {
    /// Weighs any advantage.
    pub fn new(base: Box<dyn Advantage>, weight: DifficultyWeight) -> Self {
        Self { base, weight }
    }
}

impl Stateful for Difficulty {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.base.state()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.base.restore(state)
    }
}

impl Advantage for Difficulty {
    fn needs(&self) -> Needs {
        self.base.needs()
    }

    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        let Advantages { values, returns } = self.base.advantages(step)?;
        let weights = difficulty_weights(&step.rewards(), &groups(step), self.weight)?;
        let values = match values {
            AdvantageValues::PerCompletion(rows) => {
                let rows = rows.into_iter().zip(weights);
                AdvantageValues::PerCompletion(rows.map(|(a, w)| a * w).collect())
            }
            AdvantageValues::PerToken(tokens) => {
                let row = |(row, w): (&[f32], f64)| -> Vec<f32> {
                    row.iter().map(|a| (f64::from(*a) * w) as f32).collect()
                };
                let rows: Vec<Vec<f32>> = tokens.iter().zip(weights).map(row).collect();
                AdvantageValues::PerToken(Ragged::from_rows(rows, tokens.provenance()))
            }
        };
        Ok(Advantages { values, returns })
    }
}
