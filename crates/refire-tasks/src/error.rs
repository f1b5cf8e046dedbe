use std::path::PathBuf;
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
    /// A file that can't be read.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A row that can't be used.
    #[error("{path}, row {row}: {reason}", path = path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file without rows.
    #[error("{path} holds no rows", path = path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// A list without entries.
    #[error("there are no {what}")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
}
