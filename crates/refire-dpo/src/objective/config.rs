use super::{
    BcoConfig, CopgConfig, CpoConfig, DpoConfig, KtoConfig, ModpoConfig, OrpoConfig, RankingConfig,
};
use crate::DpoError;
use refire_objective::Objective;
use serde::{Deserialize, Serialize};

/// Any objective of this crate, for a configuration file.
///
/// ```
/// use refire_dpo::PreferenceConfig;
/// let text = r#"{"kind": "dpo", "losses": [{"loss": {"robust": {"label_smoothing": 0.1}}}]}"#;
/// let config: PreferenceConfig = serde_json::from_str(text)?;
/// assert_eq!(config.build()?.name(), "dpo");
/// assert!(serde_json::from_str::<PreferenceConfig>(r#"{"kind": "orpo", "lambda": 1}"#).is_err());
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PreferenceConfig {
    /// DPO, IPO, APO, AOT and their like: pairs against a reference.
    Dpo(DpoConfig),
    /// CPO, SimPO, AlphaPO: pairs without a reference.
    Cpo(CpoConfig),
    /// ORPO.
    Orpo(OrpoConfig),
    /// KTO: single rows with labels.
    Kto(KtoConfig),
    /// BCO: single rows with labels.
    Bco(BcoConfig),
    /// MODPO.
    Modpo(ModpoConfig),
    /// AFT, RRHF, PRO: groups of completions.
    Ranking(RankingConfig),
    /// CoPG: groups with rewards.
    Copg(CopgConfig),
}

impl Default for PreferenceConfig {
    /// DPO.
    fn default() -> Self {
        Self::Dpo(DpoConfig::default())
    }
}

impl PreferenceConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DpoError> {
        match self {
            Self::Dpo(config) => config.validate(),
            Self::Cpo(config) => config.validate(),
            Self::Orpo(config) => config.validate(),
            Self::Kto(config) => config.validate(),
            Self::Bco(config) => config.validate(),
            Self::Modpo(config) => config.validate(),
            Self::Ranking(config) => config.validate(),
            Self::Copg(config) => config.validate(),
        }
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Box<dyn Objective>, DpoError> {
        Ok(match self {
            Self::Dpo(config) => Box::new(config.build()?),
            Self::Cpo(config) => Box::new(config.build()?),
            Self::Orpo(config) => Box::new(config.build()?),
            Self::Kto(config) => Box::new(config.build()?),
            Self::Bco(config) => Box::new(config.build()?),
            Self::Modpo(config) => Box::new(config.build()?),
            Self::Ranking(config) => Box::new(config.build()?),
            Self::Copg(config) => Box::new(config.build()?),
        })
    }
}
