use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Comparator, SandboxError};

mod parse;

/// Tests for a submission.
///
/// Tests are trusted: they come from a data set. They run in a judge of their own that never loads
/// the submission, and reach its functions by asking the process that does.
///
/// ```
/// use refire_sandbox::Suite;
/// let suite = Suite::check("add", "def check(candidate):\n    assert candidate(1, 2) == 3\n");
/// assert!(suite.validate().is_ok());
/// ```
///
/// Read from JSON text, where integers of any size stay what they are:
///
/// ```
/// # use refire_sandbox::Suite;
/// let text = r#"{"kind": "calls", "entry_point": "f", "cases": [{"args": [1], "expected": 2}]}"#;
/// let suite: Suite = serde_json::from_str(text)?;
/// assert!(matches!(suite, Suite::Calls { .. }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Suite {
    /// HumanEval: a function `check(candidate)`. Each `assert` in it is a test.
    Check {
        /// Name of the submission's function.
        entry_point: String,
        /// Source that defines `check`.
        test: String,
        /// Source that runs before `test`, in the judge: helpers the tests use. HumanEval's prompt
        /// is one. A helper that only the submission defines is the submission's word.
        prelude: String,
    },
    /// MBPP: statements that each are a test, and may use any name of the submission.
    Asserts {
        /// One test each.
        tests: Vec<String>,
        /// Source that runs before them, in the judge.
        prelude: String,
    },
    /// A function, arguments and expected results, all as JSON.
    Calls {
        /// Name of the function, or `Class.method` for a method of a fresh instance.
        entry_point: String,
        /// The calls.
        cases: Vec<Call>,
        /// How far a number may be from the expected one; exact by default.
        tolerance: Tolerance,
    },
    /// A program that reads standard input.
    Stdio {
        /// Inputs and expected outputs.
        cases: Vec<StdioCase>,
        /// What counts as equal.
        comparator: Comparator,
    },
    /// A file of `unittest` test cases, which import the submission as a module.
    Unittest {
        /// Source of the tests.
        test: String,
        /// The module they import; names they don't import are looked up in the submission too.
        module: String,
    },
    /// Statements that run *in the submission's process*: what objects it pleases can be tested,
    /// and what it pleases the submission can do to the tests. Results say
    /// [`Integrity::InProcess`](crate::Integrity::InProcess), and a sandbox runs it only when told.
    InProcess {
        /// Source of the tests; passes when it runs to its end.
        test: String,
    },
}

/// One call of a function.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    /// A JSON array of arguments.
    pub args: Box<RawValue>,
    /// The expected result. Tuples count as arrays, and integers of any size are exact.
    pub expected: Box<RawValue>,
}

/// How far numbers may be apart: `|a - b| <= absolute + relative * |b|`, `b` being expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tolerance {
    /// Absolute part.
    pub absolute: f64,
    /// Relative part.
    pub relative: f64,
}

/// One run of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StdioCase {
    /// Standard input.
    pub input: String,
    /// Expected standard output.
    pub output: String,
}

impl Suite {
    /// A `check(candidate)` test without a prelude.
    pub fn check(entry_point: impl Into<String>, test: impl Into<String>) -> Self {
        Self::Check { entry_point: entry_point.into(), test: test.into(), prelude: String::new() }
    }

    /// Whether the suite can decide anything at all. An empty one can't: "nothing failed" is not a
    /// success.
    ///
    /// # Errors
    /// [`SandboxError::Suite`] saying what is missing.
    pub fn validate(&self) -> Result<(), SandboxError> {
        let refuse = |reason: &str| Err(SandboxError::Suite { reason: reason.to_owned() });
        match self {
            Self::Check { test, .. } | Self::Unittest { test, .. } | Self::InProcess { test }
                if test.trim().is_empty() =>
            {
                refuse("the test is empty")
            }
            Self::Asserts { tests, .. } if tests.is_empty() => refuse("there is no test"),
            Self::Calls { cases, .. } if cases.is_empty() => refuse("there is no call"),
            Self::Stdio { cases, .. } if cases.is_empty() => refuse("there is no case"),
            Self::Calls { tolerance: Tolerance { absolute, relative }, .. }
                if !(*absolute >= 0.0 && *relative >= 0.0) =>
            {
                refuse("the tolerance is negative or not a number")
            }
            Self::Stdio { comparator, .. } => comparator.validate(),
            _ => Ok(()),
        }
    }
}
