use super::super::row::{Body, Raw};
use super::cell::columns;
use super::schema::without_text;
use crate::DataError;
use arrow_array::RecordBatch;
use arrow_schema::Schema;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::metadata::ParquetMetaDataReader;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

pub(in crate::io) fn is_parquet(path: &Path) -> Result<bool, DataError> {
    let failed = |source| DataError::File { path: path.to_owned(), source };
    let mut start = Vec::new();
    File::open(path).map_err(failed)?.take(4).read_to_end(&mut start).map_err(failed)?;
    Ok(start == b"PAR1")
}

/// Rows decoded together.
const BATCH: usize = 1024;

/// The rows of a table; one batch of them is in memory at a time.
///
/// What can't be decoded costs as little as possible: a text that isn't UTF-8 its row, a broken page
/// what is left of its row group.
pub(in crate::io) struct Table {
    file: File,
    metadata: ArrowReaderMetadata,
    /// With texts as texts.
    schema: Schema,
    /// The row group being read, and how many of its rows are done.
    group: usize,
    done: usize,
    /// Rows of the groups before.
    before: u64,
    batches: Option<ParquetRecordBatchReader>,
    batch: Option<(RecordBatch, usize)>,
    /// Rows decoded together: one, behind an error.
    size: usize,
}

impl Table {
    pub(in crate::io) fn open(path: &Path) -> Result<Self, DataError> {
        let file =
            File::open(path).map_err(|source| DataError::File { path: path.to_owned(), source })?;
        guarded(|| Self::of(file)).map_err(|reason| DataError::Unsupported {
            path: path.to_owned(),
            reason: format!("not a whole Parquet file: {reason}"),
        })
    }

    fn of(file: File) -> Result<Self, Box<dyn std::error::Error>> {
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file)?;
        let schema = parquet_to_arrow_schema(metadata.file_metadata().schema_descr(), None)?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::try_new(without_text(&metadata)?.into(), options)?;
        let (group, done, before) = (0, 0, 0);
        Ok(Self {
            file,
            metadata,
            schema,
            group,
            done,
            before,
            batches: None,
            batch: None,
            size: BATCH,
        })
    }

    pub(in crate::io) fn next_row(&mut self) -> Option<Raw> {
        loop {
            if let Some((batch, at)) = &mut self.batch {
                if *at < batch.num_rows() {
                    let body = match columns(batch, &self.schema, *at) {
                        Ok(columns) => Body::Columns(columns),
                        Err((field, reason)) => Body::BadCell { field, reason },
                    };
                    *at += 1;
                    self.done += 1;
                    return Some(Raw { line: self.before + self.done as u64, body });
                }
                self.batch = None;
            }
            let rows = self.metadata.metadata().row_groups().get(self.group)?.num_rows();
            let rows = usize::try_from(rows).unwrap_or(0);
            if self.done >= rows {
                self.next_group(rows);
                continue;
            }
            match guarded(|| self.next_batch()) {
                Ok(batch) => self.batch = Some((batch, 0)),
                Err(_) if self.size > 1 => {
                    // Once more, row by row, for those in front of the damage.
                    self.batches = None;
                    self.size = 1;
                }
                Err(reason) => {
                    let (first, last) = (self.done as u64 + 1, rows as u64);
                    let line = self.before + first;
                    let reason =
                        format!("rows {line} to {} can't be read: {reason}", self.before + last);
                    self.next_group(rows);
                    return Some(Raw { line, body: Body::Bad { reason, shown: Vec::new() } });
                }
            }
        }
    }

    fn next_group(&mut self, rows: usize) {
        self.before += rows as u64;
        self.group += 1;
        self.done = 0;
        self.batches = None;
        self.size = BATCH;
    }

    fn next_batch(&mut self) -> Result<RecordBatch, Box<dyn std::error::Error>> {
        if self.batches.is_none() {
            let file = self.file.try_clone()?;
            let builder =
                ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
            let batches = builder
                .with_row_groups(vec![self.group])
                .with_offset(self.done)
                .with_batch_size(self.size)
                .build()?;
            self.batches = Some(batches);
        }
        let next = self.batches.as_mut().and_then(Iterator::next);
        match next.transpose()? {
            Some(batch) if batch.num_rows() > 0 => Ok(batch),
            _ => Err("there are fewer rows than the file says".into()),
        }
    }
}

/// Runs a part of the parquet crate, which asserts what it expects of some headers: on a damaged
/// file that is a panic, and must be an error.
fn guarded<T>(work: impl FnOnce() -> Result<T, Box<dyn std::error::Error>>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "its headers contradict each other".to_owned())),
    }
}
