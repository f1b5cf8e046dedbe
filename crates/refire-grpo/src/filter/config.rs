use super::DynamicSampling;
use crate::GrpoError;
use refire_core::GroupFilter;
use serde::{Deserialize, Serialize};

/// Which filter, as it is written in a configuration file.
///
/// ```
/// use refire_core::GroupFilter;
/// use refire_grpo::filter::FilterConfig;
/// let config: FilterConfig =
///     serde_json::from_str(r#"{"kind": "dynamic_sampling", "part": "correct"}"#)?;
/// assert_eq!(config.build()?.name(), "dynamic_sampling");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FilterConfig {
    /// Groups whose rewards differ: DAPO.
    DynamicSampling(DynamicSampling),
}

impl FilterConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        match self {
            Self::DynamicSampling(config) => config.validate(),
        }
    }

    /// The filter.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Box<dyn GroupFilter>, GrpoError> {
        GrpoError::collect(self.validate())?;
        Ok(match self {
            Self::DynamicSampling(config) => Box::new(config.clone()),
        })
    }
}
