use super::{Gdpo, GroupNorm};
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
pub enum AdvantageConfig {
    /// Reward against the mean of its group: GRPO, Dr.GRPO, DAPO.
    GroupNorm(GroupNorm),
    /// Each part of the reward normalised by itself: GDPO.
    Gdpo(Gdpo),
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
        })
    }
}
