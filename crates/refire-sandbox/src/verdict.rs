use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Layers;

/// What happened to a submission.
///
/// ```
/// use refire_sandbox::Verdict;
/// assert!(Verdict::Passed.is_passed());
/// assert_eq!(Verdict::Infra { reason: "no memory".into(), retry: true }.name(), "infra");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Every test was run and passed.
    Passed,
    /// A test failed.
    Failed {
        /// Index of the first that did; `None` when the submission failed outside any test.
        case: Option<usize>,
        /// How, for a person. It may quote the test: don't show it to a model.
        reason: String,
    },
    /// Time ran out.
    Timeout {
        /// Which.
        clock: Clock,
    },
    /// Too much memory.
    MemoryLimit,
    /// Too much output.
    OutputLimit,
    /// The process ended before its time.
    Crashed {
        /// How.
        reason: String,
    },
    /// The program is not one.
    CompileError {
        /// What the compiler says.
        reason: String,
    },
    /// The sandbox failed, or the tests did. *Never a number*: the caller retries, masks the sample
    /// or stops.
    Infra {
        /// Why.
        reason: String,
        /// Whether trying again may help.
        retry: bool,
    },
}

/// A clock that ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// Processor time.
    Cpu,
    /// Time on the clock: the program slept.
    Wall,
}

impl Verdict {
    /// Whether every test passed.
    pub fn is_passed(&self) -> bool {
        matches!(self, Self::Passed)
    }

    /// Whether this says nothing about the submission.
    pub fn is_infra(&self) -> bool {
        matches!(self, Self::Infra { .. })
    }

    /// Its name, as it is serialized.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::Timeout { .. } => "timeout",
            Self::MemoryLimit => "memory_limit",
            Self::OutputLimit => "output_limit",
            Self::Crashed { .. } => "crashed",
            Self::CompileError { .. } => "compile_error",
            Self::Infra { .. } => "infra",
        }
    }

    pub(crate) fn infra(reason: impl Into<String>, retry: bool) -> Self {
        Self::Infra { reason: reason.into(), retry }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn failed(case: Option<usize>, reason: impl Into<String>) -> Self {
        Self::Failed { case, reason: reason.into() }
    }
}

/// One test of a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestResult {
    /// It ran, and held.
    Passed,
    /// It ran, and did not.
    Failed,
    /// It was not reached.
    NotRun,
}

/// Where the tests ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Integrity {
    /// Apart from the submission, which can neither read nor reach them.
    Split,
    /// In the submission's own process: weak.
    InProcess,
}

/// What a submission used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time of the submission and the descendants it waited for.
    pub cpu: Duration,
    /// Time on the clock, tests included.
    pub wall: Duration,
    /// Largest resident size of a process, in bytes.
    pub memory: u64,
}

/// Everything known about one submission.
///
/// ```no_run
/// use refire_sandbox::{Job, Sandbox, SandboxConfig, Suite};
/// let test = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(3) == 6\n";
/// let job = Job::new("def double(x):\n    return x + 2\n", Suite::check("double", test));
/// let outcome = Sandbox::new(SandboxConfig::default())?.run(&job);
/// assert_eq!(outcome.verdict.name(), "failed");
/// // One test of two; `None` where nothing is known about the submission.
/// assert_eq!(outcome.fraction(), Some(0.5));
/// println!("{:?}, {}", outcome.usage.cpu, String::from_utf8_lossy(&outcome.stderr));
/// # Ok::<(), refire_sandbox::SandboxError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What happened.
    pub verdict: Verdict,
    /// Each test, in order.
    pub tests: Vec<TestResult>,
    /// Names that only the submission defines, though the tests use them beside the entry point:
    /// what such a helper returns is the submission's word.
    pub borrowed: Vec<String>,
    /// Where the tests ran.
    pub integrity: Integrity,
    /// What the submission was confined by.
    pub layers: Arc<Layers>,
    /// What it used.
    pub usage: Usage,
    /// What it wrote to standard output and standard error, up to 64 KiB each.
    pub stdout: Vec<u8>,
    /// See `stdout`.
    pub stderr: Vec<u8>,
}

impl Outcome {
    /// Tests that passed, of all: in `[0, 1]`; `None` when there is nothing to count, or when the
    /// verdict says nothing about the submission.
    pub fn fraction(&self) -> Option<f64> {
        if self.verdict.is_infra() || self.tests.is_empty() {
            return None;
        }
        let passed = self.tests.iter().filter(|test| **test == TestResult::Passed).count();
        Some(passed as f64 / self.tests.len() as f64)
    }
}
