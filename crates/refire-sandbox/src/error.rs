use std::path::PathBuf;

use thiserror::Error;

use crate::Layer;

/// What can be wrong with a sandbox, or with what it is asked to run. What a submission does is a
/// [`Verdict`](crate::Verdict), never an error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A configuration with at least one problem.
    #[error("the sandbox's configuration: {}", problems.join("; "))]
    Config {
        /// Every problem found.
        problems: Vec<String>,
    },
    /// A layer that strict confinement needs is not there.
    #[error("layer `{layer}` is missing: {reason}; to cure it, {}; `sandbox_doctor` shows every layer", layer.cure())]
    Layer {
        /// The layer.
        layer: Layer,
        /// What failed.
        reason: String,
    },
    /// There is no usable Python.
    #[error("no usable Python 3.9 or newer: {reason}; install one, or name it in `python`")]
    Python {
        /// What was tried.
        reason: String,
    },
    /// A tool of a compiled language is missing.
    #[error("language `{language}` needs `{tool}`: {reason}")]
    Toolchain {
        /// The language.
        language: &'static str,
        /// The compiler.
        tool: PathBuf,
        /// What was tried.
        reason: String,
    },
    /// Tests that can't decide anything.
    #[error("the suite can't judge: {reason}")]
    Suite {
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused something the sandbox itself needs.
    #[error("could not {what}: {source}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// The error.
        #[source]
        source: std::io::Error,
    },
}
