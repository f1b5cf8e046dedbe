use refire_objective::ObjectiveError;
use thiserror::Error;

/// What can be wrong with the inputs and the configuration of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DpoError {
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
    /// Two settings that don't go together.
    #[error("`{field}`: {reason}")]
    Combination {
        /// The field to change.
        field: &'static str,
        /// Why, and what to change.
        reason: &'static str,
    },
    /// A configuration with at least one problem.
    #[error("configuration: {}", list(problems))]
    Config {
        /// Every problem found.
        problems: Vec<Self>,
    },
    /// A column of one number per row that an objective reads is absent.
    #[error("the objective `{objective}` needs `{column}`, one number per row")]
    MissingRows {
        /// The objective.
        objective: &'static str,
        /// The column.
        column: &'static str,
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
    /// A label with no meaning for the method.
    #[error("the label of row {row} is {value}, expected {expected}")]
    Label {
        /// The row within its micro-batch.
        row: usize,
        /// The label.
        value: f64,
        /// The permitted values, in words.
        expected: &'static str,
    },
    /// A group that isn't one chosen and one rejected row.
    #[error(
        "group {group} has {chosen} chosen and {rejected} rejected rows in one micro-batch, \
         expected one of each"
    )]
    Pair {
        /// The group.
        group: usize,
        /// Rows with label 1.
        chosen: usize,
        /// Rows with label 0.
        rejected: usize,
    },
    /// No estimate of KTO's reference point.
    #[error(
        "the step has no mismatched rows to estimate the KL from; add rows without a score, or \
         set `unpaired_apo` to do without"
    )]
    NoProbes,
    /// A problem found by the shared tensor numerics.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
}

impl DpoError {
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
) -> Option<DpoError> {
    (!in_range).then(|| DpoError::OutOfRange { field, value: value.to_string(), expected })
}

fn list(problems: &[DpoError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
