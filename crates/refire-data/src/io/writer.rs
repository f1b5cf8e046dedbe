use super::compression::Sink;
use crate::{DataError, Record};
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes records as JSON lines, compressed as the file's name says (`.gz`, `.zst`).
///
/// What is written stands under `<name>.partial` until [`finish`](Self::finish) gives it its name,
/// so a file with its name is whole.
///
/// ```
/// use refire_data::{Example, Record, Writer};
/// let path = std::env::temp_dir().join("refire-writer.jsonl.gz");
/// let mut writer = Writer::create(&path)?;
/// writer.write(&Record::new(Example::PromptOnly { prompt: "2 + 3?".into() }))?;
/// assert_eq!(writer.finish()?, 1);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    partial: PathBuf,
    sink: Sink,
    rows: u64,
    provenance: bool,
}

impl Writer {
    /// Opens a file for writing; the folder must exist.
    ///
    /// # Errors
    /// When it can't be created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref().to_owned();
        if path.extension().is_some_and(|e| e == "parquet") {
            let reason = "Parquet files are written by `ParquetWriter`".to_owned();
            return Err(DataError::Unsupported { path, reason });
        }
        let mut name = OsString::from(&path);
        name.push(".partial");
        let partial = PathBuf::from(name);
        let sink = Sink::create(&partial, &path)?;
        Ok(Self { path, partial, sink, rows: 0, provenance: false })
    }

    /// Also writes each record's history, as the column `provenance`; read back, it is the record's
    /// history again, and what is done next is added to it.
    pub fn with_provenance(mut self) -> Self {
        self.provenance = true;
        self
    }

    /// Writes one record.
    ///
    /// # Errors
    /// When the file can't take it, or a history would take the place of a column of that name.
    pub fn write(&mut self, record: &Record) -> Result<(), DataError> {
        let mut row = record.to_row();
        if self.provenance {
            if row.contains_key("provenance") {
                return Err(DataError::Row {
                    path: self.path.clone(),
                    line: self.rows + 1,
                    field: "provenance".to_owned(),
                    reason: "is a column of the data, which the history would replace; rename it"
                        .to_owned(),
                });
            }
            let history = serde_json::to_value(&record.provenance).unwrap_or_default();
            row.insert("provenance".to_owned(), history);
        }
        self.write_row(&row)
    }

    /// Writes one row of columns.
    ///
    /// # Errors
    /// When the file can't take it.
    pub fn write_row(&mut self, row: &Map<String, Value>) -> Result<(), DataError> {
        let failed = |source| DataError::File { path: self.partial.clone(), source };
        serde_json::to_writer(&mut self.sink, row)
            .map_err(std::io::Error::from)
            .and_then(|()| self.sink.write_all(b"\n"))
            .map_err(failed)?;
        self.rows += 1;
        Ok(())
    }

    /// Completes the file, gives it its name, and returns the number of rows.
    ///
    /// # Errors
    /// When the rest can't be written.
    pub fn finish(self) -> Result<u64, DataError> {
        let Self { path, partial, sink, rows, .. } = self;
        let named = sink.finish().and_then(|()| std::fs::rename(&partial, &path));
        named.map_err(|source| DataError::File { path, source })?;
        Ok(rows)
    }
}
