use std::sync::Arc;

use crate::{Language, Python3, Suite};

/// A submission and its tests.
///
/// ```
/// use refire_sandbox::{Job, Suite};
/// let test = "def check(candidate):\n    assert candidate(2) == 4\n";
/// let job = Job::new("def double(x):\n    return 2 * x\n", Suite::check("double", test));
/// assert!(!job.stop_at_first);
/// ```
#[derive(Debug, Clone)]
pub struct Job {
    /// Source of the submission: untrusted.
    pub program: String,
    /// What it must do: trusted. Shared, since many submissions answer one prompt.
    pub suite: Arc<Suite>,
    /// What it is written in.
    pub language: Arc<dyn Language>,
    /// Stops at the first test that fails: cheaper, where only "all passed" counts.
    pub stop_at_first: bool,
}

impl Job {
    /// A Python program and its tests.
    pub fn new(program: impl Into<String>, suite: impl Into<Arc<Suite>>) -> Self {
        Self {
            program: program.into(),
            suite: suite.into(),
            language: Arc::new(Python3),
            stop_at_first: false,
        }
    }
}
