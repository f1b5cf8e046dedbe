use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Layer, Limits, SandboxError};

/// How much confinement is enough to run a program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Require {
    /// Every layer of which [`Layer::is_required`] says so. Anything less is an error that names
    /// the layer and the cure.
    #[default]
    Strict,
    /// Whatever the machine has. For programs that are not hostile: without a process namespace a
    /// program may leave processes behind.
    Relaxed,
}

/// How the interpreter of a submission starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// A copy of an interpreter that waits, warm, and has never run a submission; in namespaces of
    /// its own.
    #[default]
    Warm,
    /// A new interpreter each time.
    Fresh,
}

/// Settings of a [`Sandbox`](crate::Sandbox).
///
/// ```
/// use refire_sandbox::{Limits, SandboxConfig, Start};
/// let config = SandboxConfig { start: Start::Fresh, ..SandboxConfig::default() };
/// assert!(config.validate().is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxConfig {
    /// How much confinement is enough.
    pub require: Require,
    /// How interpreters start.
    pub start: Start,
    /// What one program may use.
    pub limits: Limits,
    /// Programs at one time; `None` for twice the processors that affinity and quota allow, since
    /// a submission and its judge take turns.
    pub workers: Option<usize>,
    /// The Python to use; `None` for the first real `python3` on the path.
    pub python: Option<PathBuf>,
    /// Runs tests beside the submission, in its process, where a suite asks for it. A submission
    /// can then read, change and skip them.
    pub allow_in_process: bool,
    /// Times a job is run again after a failure that is not its own.
    pub retries: u32,
    /// Layers to leave out, as if the machine forbade them: for diagnosis and tests.
    pub without: Vec<Layer>,
}

impl SandboxConfig {
    /// Every problem found, as sentences that say what to change; empty if there is none.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = self.limits.validate();
        if self.workers == Some(0) {
            problems.push("`workers` is 0, set it to 1 or more, or leave it out".to_owned());
        }
        if self.retries > 10 {
            problems.push(format!("`retries` is {}, set it to 10 or less", self.retries));
        }
        problems
    }

    pub(crate) fn check(&self) -> Result<(), SandboxError> {
        let problems = self.validate();
        if problems.is_empty() { Ok(()) } else { Err(SandboxError::Config { problems }) }
    }
}
