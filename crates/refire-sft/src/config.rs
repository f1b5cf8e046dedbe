use crate::SftError;
use crate::loss::Nll;
use refire_core::Needs;
use serde::{Deserialize, Serialize};

/// Settings of [`Nll`].
///
/// ```
/// use refire_sft::NllConfig;
/// let config: NllConfig = serde_json::from_str(r#"{"label_smoothing": 0.1}"#)?;
/// assert!(config.validate().is_empty() && config.needs().mean_logprob);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NllConfig {
    /// Share of the target spread evenly over the vocabulary, from 0 to below 1. The default is
    /// 0, as in PyTorch and TRL.
    pub label_smoothing: f64,
}

impl NllConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<SftError> {
        if (0.0..1.0).contains(&self.label_smoothing) {
            return Vec::new();
        }
        vec![SftError::OutOfRange {
            field: "label_smoothing",
            value: self.label_smoothing.to_string(),
            expected: "from 0 to below 1",
        }]
    }

    /// The statistics that the loss reads beside log-probabilities.
    pub fn needs(&self) -> Needs {
        Needs { mean_logprob: self.smooths(), ..Needs::NONE }
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Nll, SftError> {
        Nll::new(*self)
    }

    pub(crate) fn smooths(&self) -> bool {
        self.label_smoothing != 0.0
    }
}
