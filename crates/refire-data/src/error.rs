use refire_core::BoxError;
use std::path::PathBuf;
use thiserror::Error;

/// What can be wrong with data, with files, or with a configuration of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file that can't be opened, read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A row that can't be used.
    #[error("{path}, line {line}, {field}: {reason}", path = path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Line of a text file or row of a table, from 1.
        line: u64,
        /// The column at fault as a path such as `messages[2].content`; `row` where it is the
        /// whole row.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A path, folder or pattern that names no file.
    #[error("`{pattern}` matches no data file")]
    NoFiles {
        /// What was asked for.
        pattern: String,
    },
    /// A file of a kind this build can't read or write.
    #[error("{path}: {reason}", path = path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A record that can't become one of another kind.
    #[error("a {from} record can't become {to}: {reason}")]
    Convert {
        /// Kind of the record.
        from: &'static str,
        /// Kind wanted.
        to: &'static str,
        /// Why.
        reason: String,
    },
    /// A field is out of its range.
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
    /// A list without entries.
    #[error("there are no {what}")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// Persisted data that can't be read back.
    #[error("{what} can't be read back: {reason}")]
    Format {
        /// What was being read.
        what: &'static str,
        /// What was wrong.
        reason: String,
    },
    /// A rollout engine or a callback of the caller's failed.
    #[error("{what} failed: {source}")]
    Caller {
        /// What was called.
        what: &'static str,
        /// Its error.
        source: BoxError,
    },
}

impl DataError {
    pub(crate) fn out_of_range(
        field: &'static str,
        value: impl ToString,
        expected: &'static str,
    ) -> Self {
        Self::OutOfRange { field, value: value.to_string(), expected }
    }

    /// An error if there is any problem.
    pub(crate) fn from_problems(problems: Vec<Self>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self::Config { problems }) }
    }
}

fn list(problems: &[DataError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
