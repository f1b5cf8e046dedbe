use crate::{DataError, Format};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What to do with a row that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OnBad {
    /// It is an error, in its place among the records.
    #[default]
    Error,
    /// It goes to a file of rejects, with file, line, column and reason; the rest goes on.
    SetAside {
        /// The file; JSON lines, compressed as its name says.
        path: PathBuf,
    },
}

/// How to read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadConfig {
    /// What the columns mean.
    pub format: Format,
    /// What to do with a bad row.
    pub on_bad: OnBad,
    /// Longest line, in bytes; a longer one is a bad row and never in memory as a whole. 64 MiB.
    pub max_line_bytes: usize,
    /// A column whose values must differ over all files, such as `id`; a repeated value is a bad
    /// row. Takes 16 bytes a row.
    pub unique: Option<String>,
    /// Rows parsed together.
    pub batch_rows: usize,
    /// Bytes parsed together, at most.
    pub batch_bytes: usize,
    /// Licence to note with each record.
    pub licence: Option<String>,
}

impl Default for ReadConfig {
    fn default() -> Self {
        Self {
            format: Format::Auto,
            on_bad: OnBad::Error,
            max_line_bytes: 64 << 20,
            unique: None,
            batch_rows: 4096,
            batch_bytes: 16 << 20,
            licence: None,
        }
    }
}

impl ReadConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DataError> {
        let fields = [
            ("max_line_bytes", self.max_line_bytes),
            ("batch_rows", self.batch_rows),
            ("batch_bytes", self.batch_bytes),
        ];
        let zero = fields.into_iter().filter(|(_, value)| *value == 0);
        zero.map(|(field, value)| DataError::out_of_range(field, value, "at least 1")).collect()
    }
}
