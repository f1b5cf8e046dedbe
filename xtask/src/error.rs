//! What can go wrong in a chore.

use std::{io, path::PathBuf, process::ExitStatus};

/// Why a chore failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// The program could not be run at all.
    #[error("could not run `{command}`: {source}")]
    Run { command: String, source: io::Error },

    /// The program ran and reported a failure.
    #[error("`{command}` failed ({status})")]
    Failed { command: String, status: ExitStatus },

    /// `cargo metadata` printed something else than expected.
    #[error("could not read the output of `cargo metadata`: {source}")]
    Metadata { source: serde_json::Error },

    /// A source file or folder could not be read.
    #[error("could not read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },

    /// The workspace departs from its architecture.
    #[error("{} departures from the architecture:\n  {}", found.len(), found.join("\n  "))]
    Layers { found: Vec<String> },

    /// The quickstart did not end with its line of results.
    #[error("`{command}` should end with `{expected}`, but its last line is `{line}`")]
    NoResult { command: String, expected: &'static str, line: String },

    /// The quickstart learnt too little.
    #[error("the quickstart gains too little:\n  {}", problems.join("\n  "))]
    Soak { problems: Vec<String> },

    /// A step of `ci` failed.
    #[error("ci stopped at {step} after {seconds:.1} s: {source}")]
    Step { step: &'static str, seconds: f64, source: Box<Self> },
}
