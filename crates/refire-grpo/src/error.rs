use refire_objective::ObjectiveError;
use thiserror::Error;

/// What can be wrong with the inputs and the configuration of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GrpoError {
    /// A configuration value out of its range.
    #[error("`{field}` is {value}, expected {expected}")]
    OutOfRange {
        /// Name of the field.
        field: &'static str,
        /// The value found, as text.
        value: String,
        /// The permitted range, in words.
        expected: &'static str,
    },
    /// A configuration with at least one problem.
    #[error("configuration: {}", list(problems))]
    Config {
        /// Every problem found.
        problems: Vec<Self>,
    },
    /// A list that must be as long as another is not.
    #[error("{what}: {found} entries, expected {expected}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// Entries found.
        found: usize,
        /// Entries expected.
        expected: usize,
    },
    /// A reward that is not a finite number; "no score" has a value of its own.
    #[error("the reward of row {row} is {value}; a completion without a score must say so")]
    RewardNotFinite {
        /// Index of the row.
        row: usize,
        /// The reward.
        value: f64,
    },
    /// A score without the named parts that a method reads.
    #[error("the score of row {row} has none of the parts {expected:?}, only {found:?}")]
    MissingPart {
        /// Index of the row.
        row: usize,
        /// The parts that were looked for.
        expected: Vec<String>,
        /// The parts it has.
        found: Vec<String>,
    },
    /// A problem found by the shared tensor numerics.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
}

impl GrpoError {
    /// One error for all problems, or none.
    pub(crate) fn collect(problems: Vec<Self>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self::Config { problems }) }
    }

    /// The problem, if `value` isn't in its range.
    pub(crate) fn unless(
        in_range: bool,
        field: &'static str,
        value: impl ToString,
        expected: &'static str,
    ) -> Option<Self> {
        (!in_range).then(|| Self::OutOfRange { field, value: value.to_string(), expected })
    }
}

fn list(problems: &[GrpoError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
