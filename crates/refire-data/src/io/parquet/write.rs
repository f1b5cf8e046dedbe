use crate::{DataError, Record};
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows converted together.
const ROWS: usize = 4096;

/// Encoded bytes after which a row group ends.
const GROUP_BYTES: usize = 64 << 20;

/// Writes records to a Parquet file. The columns and their types are those of the first 4096
/// records; a later record that doesn't fit them is an error.
///
/// A column has one type, so what differs in form from row to row is written as JSON text: `tools`
/// and the arguments of tool calls, which every reader of chats takes so. Objects in extra columns
/// share the keys of all rows: a key that a row lacks is null when it is read back.
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
        self.waiting.push(row(record));
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
        let file = writer.into_inner().map_err(|error| self.unfit(&error))?;
        file.sync_all()
            .and_then(|()| std::fs::rename(&self.partial, &self.path))
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
            // A row group is in memory until it is whole.
            if writer.in_progress_size() > GROUP_BYTES {
                writer.flush()?;
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

/// The columns of a record, with what has no common type as JSON text.
fn row(record: &Record) -> Map<String, Value> {
    let mut row = record.to_row();
    for name in ["messages", "prompt", "completion", "chosen", "rejected"] {
        let messages = row.get_mut(name).and_then(Value::as_array_mut);
        for message in messages.into_iter().flatten() {
            let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
            for arguments in calls.into_iter().flatten().filter_map(|c| c.get_mut("arguments")) {
                *arguments = Value::String(arguments.to_string());
            }
        }
    }
    if !record.tools.is_empty() {
        row.insert("tools".to_owned(), Value::Array(record.tools.clone()).to_string().into());
    }
    row
}
