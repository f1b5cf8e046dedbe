use refire_objective::ObjectiveError;
use thiserror::Error;

/// What can be wrong with the inputs and the configuration of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SftError {
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
    /// A row of which no token would be learned.
    #[error("no token of the row would be learned; check the prompt's length or the markers")]
    NothingToLearn,
    /// A kind of target without a weight.
    #[error("a row's label {kind} names no kind of target, there are {limit}, from 0 on")]
    Kind {
        /// The label.
        kind: f64,
        /// Number of kinds.
        limit: usize,
    },
    /// A problem found by the shared tensor numerics.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
}

impl SftError {
    /// One error for all problems, or none.
    pub(crate) fn collect(problems: Vec<Self>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self::Config { problems }) }
    }
}

/// The problem, if `value` isn't in its range.
pub(crate) fn unless(
    in_range: bool,
    field: &'static str,
    value: impl ToString,
    expected: &'static str,
) -> Option<SftError> {
    (!in_range).then(|| SftError::OutOfRange { field, value: value.to_string(), expected })
}

fn list(problems: &[SftError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
