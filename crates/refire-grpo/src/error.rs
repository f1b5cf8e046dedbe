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
    /// A column that a loss or an advantage reads is absent.
    #[error("`{loss}` needs the column `{column}`, which was not given")]
    MissingColumn {
        /// Who reads it.
        loss: &'static str,
        /// The column.
        column: &'static str,
    },
    /// A ragged column whose row isn't as long as its mask.
    #[error("row {row} of `{column}` has {found} entries for {expected} tokens")]
    RowLength {
        /// Name of the column.
        column: &'static str,
        /// Index of the row.
        row: usize,
        /// Entries found.
        found: usize,
        /// Tokens of the row.
        expected: usize,
    },
    /// A group too small for a method that compares siblings.
    #[error("group {group} has {found} scored completions, `{method}` needs at least {expected}")]
    SmallGroup {
        /// The method.
        method: &'static str,
        /// The group.
        group: usize,
        /// Scored completions found.
        found: usize,
        /// The least it needs.
        expected: usize,
    },
    /// Settings that contradict each other.
    #[error("{problem}; {remedy}")]
    Conflict {
        /// What doesn't go together.
        problem: &'static str,
        /// What to change.
        remedy: &'static str,
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

    /// The problem, if settings contradict each other.
    pub(crate) fn conflict(
        there_is_one: bool,
        problem: &'static str,
        remedy: &'static str,
    ) -> Option<Self> {
        there_is_one.then_some(Self::Conflict { problem, remedy })
    }

    /// Checks that ragged rows have the lengths of their masks.
    pub(crate) fn same_shape<T, M>(
        column: &'static str,
        rows: &[Vec<T>],
        mask: &[Vec<M>],
    ) -> Result<(), Self> {
        if rows.len() != mask.len() {
            return Err(Self::Count { what: column, found: rows.len(), expected: mask.len() });
        }
        let lengths = rows.iter().zip(mask).map(|(row, mask)| (row.len(), mask.len()));
        match lengths.enumerate().find(|(_, (found, expected))| found != expected) {
            Some((row, (found, expected))) => Err(Self::RowLength { column, row, found, expected }),
            None => Ok(()),
        }
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
