use crate::loss::{
    AsftConfig, Dft, DistillConfig, IftConfig, MiniLlm, MultiTargetConfig, OnPolicyDistill,
};
use crate::{NllConfig, SftError};
use refire_objective::Objective;
use serde::{Deserialize, Serialize};

/// Any objective of this crate, for a configuration file.
///
/// ```
/// use refire_sft::LikelihoodConfig;
/// let config: LikelihoodConfig = serde_json::from_str(r#"{"kind": "asft", "kl_weight": 0.05}"#)?;
/// assert_eq!(config.build()?.name(), "asft");
/// assert!(serde_json::from_str::<LikelihoodConfig>(r#"{"kind": "dft", "beta": 1}"#).is_err());
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum LikelihoodConfig {
    /// Cross-entropy.
    Nll(NllConfig),
    /// Dynamic fine-tuning.
    Dft {},
    /// Anchored fine-tuning, or cross-entropy with a KL.
    Asft(AsftConfig),
    /// Intuitive fine-tuning.
    Ift(IftConfig),
    /// Several kinds of targets.
    MultiTarget(MultiTargetConfig),
    /// Distillation over the whole vocabulary.
    Distill(DistillConfig),
    /// Distillation from sampled tokens.
    OnPolicyDistill {},
    /// MiniLLM.
    MiniLlm {},
}

impl Default for LikelihoodConfig {
    /// Cross-entropy.
    fn default() -> Self {
        Self::Nll(NllConfig::default())
    }
}

impl LikelihoodConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<SftError> {
        match self {
            Self::Nll(config) => config.validate(),
            Self::Asft(config) => config.validate(),
            Self::Ift(config) => config.validate(),
            Self::MultiTarget(config) => config.validate(),
            Self::Distill(config) => config.validate(),
            Self::Dft {} | Self::OnPolicyDistill {} | Self::MiniLlm {} => Vec::new(),
        }
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Box<dyn Objective>, SftError> {
        Ok(match self {
            Self::Nll(config) => Box::new(config.build()?),
            Self::Dft {} => Box::new(Dft),
            Self::Asft(config) => Box::new(config.build()?),
            Self::Ift(config) => Box::new(config.build()?),
            Self::MultiTarget(config) => Box::new(config.build()?),
            Self::Distill(config) => Box::new(config.build()?),
            Self::OnPolicyDistill {} => Box::new(OnPolicyDistill),
            Self::MiniLlm {} => Box::new(MiniLlm),
        })
    }
}
