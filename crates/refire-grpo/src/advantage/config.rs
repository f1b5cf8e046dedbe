use super::{
    Difficulty, DifficultyConfig, Distillation, Gae, Gdpo, Gpg, GroupNorm, LengthShaped, MaxRl,
    Opo, Otb, PassAtK, PassAtKMax, Rae, RaeConfig, ReinforcePlusPlus, ReinforcePlusPlusBaseline,
    Remax, Rloo,
};
use crate::GrpoError;
use refire_core::Advantage;
use serde::{Deserialize, Serialize};

/// Which advantage, as it is written in a configuration file.
///
/// ```
/// use refire_grpo::advantage::AdvantageConfig;
/// let config: AdvantageConfig =
///     serde_json::from_str(r#"{"kind": "group_norm", "scale": "none"}"#)?;
/// let advantage = config.build()?;
/// assert!(!advantage.needs().values);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum AdvantageConfig {
    /// Reward against the mean of its group: GRPO, Dr.GRPO, DAPO.
    GroupNorm(GroupNorm),
    /// Each part of the reward normalised by itself: GDPO.
    Gdpo(Gdpo),
    /// Reward against the mean of its siblings.
    Rloo(Rloo),
    /// Whitened returns.
    ReinforcePlusPlus(ReinforcePlusPlus),
    /// Whitened centred rewards.
    ReinforcePlusPlusBaseline(ReinforcePlusPlusBaseline),
    /// Reward against that of the greedy completion.
    Remax(Remax),
    /// Reward against the length-weighted mean.
    Opo(Opo),
    /// Centred rewards, scaled up for silent groups.
    Gpg(Gpg),
    /// The best of a group against the second.
    PassAtKMax(PassAtKMax),
    /// The best of k, in closed form.
    PassAtK(PassAtK),
    /// Centred rewards over their mean.
    MaxRl(MaxRl),
    /// A running baseline for each role.
    Rae(RaeConfig),
    /// A critic's temporal differences.
    Gae(Gae),
    /// The optimal baseline of each token.
    Otb(Otb),
    /// Centred rewards, less for long rows.
    LengthShaped(LengthShaped),
    /// Another advantage, weighted by how well its group did.
    Difficulty(DifficultyConfig),
    /// The teacher's log-probabilities.
    Distillation(Distillation),
}

impl Default for AdvantageConfig {
    /// GRPO's.
    fn default() -> Self {
        Self::GroupNorm(GroupNorm::default())
    }
}

impl AdvantageConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        match self {
            Self::GroupNorm(config) => config.validate(),
            Self::Gdpo(config) => config.validate(),
            Self::Rloo(config) => config.validate(),
            Self::ReinforcePlusPlus(config) => config.validate(),
            Self::ReinforcePlusPlusBaseline(config) => config.validate(),
            Self::Gpg(config) => config.validate(),
            Self::PassAtKMax(config) => config.validate(),
            Self::PassAtK(config) => config.validate(),
            Self::Rae(config) => config.validate(),
            Self::Gae(config) => config.validate(),
            Self::Otb(config) => config.validate(),
            Self::LengthShaped(config) => config.validate(),
            Self::Difficulty(config) => config.validate(),
            Self::Distillation(config) => config.validate(),
            Self::Remax(_) | Self::Opo(_) | Self::MaxRl(_) => Vec::new(),
        }
    }

    /// The advantage.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Box<dyn Advantage>, GrpoError> {
        GrpoError::collect(self.validate())?;
        Ok(match self {
            Self::GroupNorm(config) => Box::new(config.clone()),
            Self::Gdpo(config) => Box::new(config.clone()),
            Self::Rloo(config) => Box::new(config.clone()),
            Self::ReinforcePlusPlus(config) => Box::new(config.clone()),
            Self::ReinforcePlusPlusBaseline(config) => Box::new(config.clone()),
            Self::Remax(config) => Box::new(config.clone()),
            Self::Opo(config) => Box::new(config.clone()),
            Self::Gpg(config) => Box::new(config.clone()),
            Self::PassAtKMax(config) => Box::new(config.clone()),
            Self::PassAtK(config) => Box::new(config.clone()),
            Self::MaxRl(config) => Box::new(config.clone()),
            Self::Rae(config) => Box::new(Rae::new(config.clone())),
            Self::Gae(config) => Box::new(config.clone()),
            Self::Otb(config) => Box::new(config.clone()),
            Self::LengthShaped(config) => Box::new(config.clone()),
            Self::Difficulty(config) => {
                Box::new(Difficulty::new(config.base.build()?, config.weight))
            }
            Self::Distillation(config) => Box::new(config.clone()),
        })
    }
}
