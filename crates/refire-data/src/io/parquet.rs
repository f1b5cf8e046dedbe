//! Parquet tables, row by row.

use super::row::{Body, Raw};
use crate::{DataError, Record};
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::SerializedFileReader;
use parquet::record::reader::RowIter;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) fn is_parquet(path: &Path) -> Result<bool, DataError> {
    let failed = |source| DataError::File { path: path.to_owned(), source };
    let mut start = Vec::new();
    File::open(path).map_err(failed)?.take(4).read_to_end(&mut start).map_err(failed)?;
    Ok(start == b"PAR1")
}

/// The rows of a table; one row group is in memory at a time.
pub(super) struct Table {
    rows: RowIter<'static>,
    row: u64,
    ended: bool,
}

impl Table {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::File { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let reader = SerializedFileReader::new(file).map_err(|error| DataError::Unsupported {
            path: path.to_owned(),
            reason: format!("not a whole Parquet file: {error}"),
        })?;
        Ok(Self { rows: reader.into_iter(), row: 0, ended: false })
    }

    pub(super) fn next_row(&mut self) -> Option<Raw> {
        if self.ended {
            return None;
        }
        let row = self.rows.next()?;
        self.row += 1;
        let bad = |reason: String| Body::Bad { reason, shown: Vec::new() };
        let body = match row.map(|row| row.to_json_value()) {
            Ok(Value::Object(columns)) => Body::Columns(columns),
            Ok(_) => bad("the row has no columns".to_owned()),
            Err(error) => {
                self.ended = true;
                bad(format!("the table can't be read on: {error}"))
            }
        };
        Some(Raw { line: self.row, body })
    }
}

const ROWS: usize = 4096;

/// Writes records to a Parquet file. The columns and their types are those of the first 4096
/// records; a later record that doesn't fit them is an error.
///
/// ```
/// use refire_data::{Example, ParquetWriter, ReadConfig, Reader, Record};
/// let path = std::env::temp_dir().join("refire-writer.parquet");
/// let record = Record::new(Example::PromptOnly { prompt: "2 + 3?".into() });
/// let mut writer = ParquetWriter::create(&path)?;
/// writer.write(&record)?;
/// writer.finish()?;
/// let read = Reader::open(&[&path], ReadConfig::default())?.next().unwrap()?;
/// assert_eq!(read.example, record.example);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ParquetWriter {
    path: PathBuf,
    partial: PathBuf,
    open: Option<(SchemaRef, ArrowWriter<File>)>,
    waiting: Vec<Map<String, Value>>,
    rows: u64,
}

impl ParquetWriter {
    /// Opens a file for writing; it gets its name when it is finished.
    ///
    /// # Errors
    /// When it can't be created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref().to_owned();
        let mut name = path.clone().into_os_string();
        name.push(".partial");
        let partial = PathBuf::from(name);
        File::create(&partial)
            .map_err(|source| DataError::File { path: partial.clone(), source })?;
        Ok(Self { path, partial, open: None, waiting: Vec::new(), rows: 0 })
    }

    /// Writes one record.
    ///
    /// # Errors
    /// When it doesn't fit the columns of the file, or the file can't take it.
    pub fn write(&mut self, record: &Record) -> Result<(), DataError> {
        self.waiting.push(record.to_row());
        self.rows += 1;
        if self.waiting.len() < ROWS { Ok(()) } else { self.flush() }
    }

    /// Completes the file, gives it its name, and returns the number of rows.
    ///
    /// # Errors
    /// When there is no row (a table needs columns), or the rest can't be written.
    pub fn finish(mut self) -> Result<u64, DataError> {
        self.flush()?;
        let Some((_, writer)) = self.open.take() else {
            return Err(DataError::Empty { what: "records for the Parquet file" });
        };
        writer.close().map_err(|error| self.unfit(&error))?;
        std::fs::rename(&self.partial, &self.path)
            .map_err(|source| DataError::File { path: self.path.clone(), source })?;
        Ok(self.rows)
    }

    fn flush(&mut self) -> Result<(), DataError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.waiting);
        if self.open.is_none() {
            self.open = Some(self.start(&rows)?);
        }
        let Some((schema, mut writer)) = self.open.take() else { return Ok(()) };
        let batch = (|| -> Result<_, Box<dyn std::error::Error>> {
            let builder =
                arrow_json::ReaderBuilder::new(Arc::clone(&schema)).with_strict_mode(true);
            let mut decoder = builder.build_decoder()?;
            decoder.serialize(&rows)?;
            if let Some(batch) = decoder.flush()? {
                writer.write(&batch)?;
            }
            Ok(())
        })();
        batch.map_err(|error| self.unfit(&*error))?;
        self.open = Some((schema, writer));
        Ok(())
    }

    fn start(
        &self,
        rows: &[Map<String, Value>],
    ) -> Result<(SchemaRef, ArrowWriter<File>), DataError> {
        let values = rows.iter().map(|row| Ok(Value::Object(row.clone())));
        let schema = arrow_json::reader::infer_json_schema_from_iterator(values)
            .map_err(|error| self.unfit(&error))?;
        let schema = Arc::new(schema);
        let file = File::create(&self.partial)
            .map_err(|source| DataError::File { path: self.partial.clone(), source })?;
        let level = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(level).build();
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))
            .map_err(|error| self.unfit(&error))?;
        Ok((schema, writer))
    }

    fn unfit(&self, error: &(impl std::error::Error + ?Sized)) -> DataError {
        DataError::Unsupported { path: self.path.clone(), reason: error.to_string() }
    }
}
