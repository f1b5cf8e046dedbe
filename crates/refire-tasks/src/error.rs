use thiserror::Error;

/// What can be wrong with a task's configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TaskError {
    /// A field is out of its range.
    #[error("`{field}` is {value}, expected {expected}")]
    OutOfRange {
        /// Name of the field.
        field: &'static str,
        /// The value found.
        value: usize,
        /// The permitted range, in words.
        expected: String,
    },
    /// A list without entries.
    #[error("there are no {what}")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
}
