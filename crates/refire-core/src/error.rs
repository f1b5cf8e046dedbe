use thiserror::Error;

/// Any error that crosses a trait border; the concrete kind stays reachable by downcast.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What can be wrong with the values of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CoreError {
    /// Per-token columns of one completion differ in length.
    #[error("completion column `{column}` has {found} entries for {tokens} tokens")]
    ColumnLength {
        /// Name of the column.
        column: &'static str,
        /// Entries found.
        found: usize,
        /// Tokens of the completion.
        tokens: usize,
    },
    /// A sampling or configuration field is out of its range.
    #[error("`{field}` is {value}, expected {expected}")]
    OutOfRange {
        /// Name of the field.
        field: &'static str,
        /// The value found, as text.
        value: String,
        /// The permitted range, in words.
        expected: &'static str,
    },
    /// A column that a method asked for was not computed.
    #[error("the step has no column `{column}`; ask for it in `Needs`")]
    MissingColumn {
        /// Name of the column.
        column: &'static str,
    },
    /// A prompt with judged completions that contradicts itself.
    #[error("preference {id}: {reason}")]
    Preference {
        /// Its identity within the data set.
        id: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// Saved state that doesn't fit the object it is given to.
    #[error("state of `{owner}` can't be restored: {reason}")]
    State {
        /// The type that was asked to restore.
        owner: &'static str,
        /// What was wrong.
        reason: String,
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
}
