use super::config::{OnBad, ReadConfig};
use super::files;
use super::parse::{Bad, Read, columns, record};
use super::rejects::Rejects;
use super::report::{ReadReport, without_numbers};
use super::row::Body;
use super::rows::Rows;
use crate::example::{FieldError, Origin, Record};
use crate::{DataError, Format};
use rayon::prelude::*;
use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_128;

/// Reads records from files, folders and patterns, one after another, in bounded memory.
///
/// JSON lines and JSON lists are told apart by their first character, compression by the first
/// bytes. A bad row is an error that names file, line and column and stands where the row stood;
/// the reader goes on behind it if asked to.
///
/// ```
/// use refire_data::{ReadConfig, Reader};
/// let path = std::env::temp_dir().join("refire-reader.jsonl");
/// std::fs::write(&path, "{\"prompt\":\"2 + 3?\"}\n{\"prompt\":5}\n")?;
/// let mut reader = Reader::open(&[&path], ReadConfig::default())?;
/// assert!(reader.next().unwrap().is_ok());
/// let error = reader.next().unwrap().unwrap_err().to_string();
/// assert!(error.ends_with("line 2, prompt: expected text or a list of messages, found a number"));
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    config: ReadConfig,
    files: VecDeque<PathBuf>,
    current: Option<Open>,
    queue: VecDeque<Result<Record, DataError>>,
    rejects: Option<Rejects>,
    seen: HashSet<u128>,
    report: ReadReport,
    done: bool,
}

struct Open {
    path: PathBuf,
    rows: Rows,
    format: Format,
    any: bool,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Reader {
    /// A reader over everything the inputs name; see [`find_files`](crate::find_files).
    ///
    /// # Errors
    /// When the configuration is wrong, an input names no file, or the file of rejects can't be
    /// created.
    pub fn open<P: AsRef<Path>>(inputs: &[P], config: ReadConfig) -> Result<Self, DataError> {
        DataError::from_problems(config.validate())?;
        let files = files::find_files(inputs)?.into();
        let rejects = match &config.on_bad {
            OnBad::Error => None,
            OnBad::SetAside { path } => Some(Rejects::create(path)?),
        };
        Ok(Self {
            config,
            files,
            current: None,
            queue: VecDeque::new(),
            rejects,
            seen: HashSet::new(),
            report: ReadReport::default(),
            done: false,
        })
    }

    /// The next `n` records; fewer only at the end.
    ///
    /// # Errors
    /// The first bad row, unless they are set aside. Records before it are lost to this call only
    /// if it is used again; iterate to have every record and every error.
    pub fn next_batch(&mut self, n: usize) -> Result<Vec<Record>, DataError> {
        self.take(n).collect()
    }

    /// What was read so far.
    pub fn report(&self) -> &ReadReport {
        &self.report
    }

    /// Fills the queue; false when there is no more.
    fn fill(&mut self) -> Result<bool, DataError> {
        while self.queue.is_empty() {
            if self.current.is_none() {
                let Some(path) = self.files.pop_front() else {
                    return self.close();
                };
                self.report.files += 1;
                match Rows::open(&path, self.config.max_line_bytes) {
                    Ok(rows) => {
                        let format = self.config.format.clone();
                        self.current = Some(Open { path, rows, format, any: false });
                    }
                    Err(error) => self.bad_file(&path, error)?,
                }
                continue;
            }
            self.read_rows()?;
        }
        Ok(true)
    }

    fn close(&mut self) -> Result<bool, DataError> {
        self.done = true;
        self.rejects.take().map_or(Ok(()), Rejects::finish)?;
        Ok(false)
    }

    /// A file that can't be opened.
    fn bad_file(&mut self, path: &Path, error: DataError) -> Result<(), DataError> {
        let reason = match &error {
            DataError::File { source, .. } => source.to_string(),
            DataError::Unsupported { reason, .. } => reason.clone(),
            other => other.to_string(),
        };
        if self.rejects.is_some() {
            let error = FieldError::new("file", reason);
            return self.reject(path, Bad { line: 0, error, shown: Vec::new() });
        }
        *self.report.bad.entry(without_numbers(&reason)).or_default() += 1;
        self.queue.push_back(Err(error));
        Ok(())
    }

    /// Reads and parses a batch of rows of the current file.
    fn read_rows(&mut self) -> Result<(), DataError> {
        let Some(mut open) = self.current.take() else { return Ok(()) };
        let (mut rows, mut bytes) = (Vec::new(), 0);
        let mut ended = false;
        while rows.len() < self.config.batch_rows && bytes < self.config.batch_bytes {
            let Some(raw) = open.rows.next_row() else {
                ended = true;
                break;
            };
            bytes += match &raw.body {
                Body::Bytes(bytes) | Body::Bad { shown: bytes, .. } => bytes.len(),
                Body::Columns(_) | Body::BadCell { .. } => 1024,
            };
            rows.push(raw);
        }
        let parsed: Vec<_> = rows.into_par_iter().map(columns).collect();
        if open.format == Format::Auto {
            let good = parsed.iter().filter_map(|row| row.as_ref().ok()).map(|row| &row.columns);
            open.format = Format::majority(good).unwrap_or(Format::Auto);
        }
        let unique = self.config.unique.as_deref();
        let records: Vec<_> = parsed
            .into_par_iter()
            .map(|row| row.and_then(|row| record(row, &open.format, unique)))
            .collect();
        open.any |= !records.is_empty();
        let source = open.path.display().to_string();
        for record in records {
            match record.and_then(|row| self.check_unique(row)) {
                Ok((mut record, line)) => {
                    let licence = self.config.licence.clone();
                    record.provenance.push(Origin { source: source.clone(), line, licence });
                    self.report.records += 1;
                    self.queue.push_back(Ok(record));
                }
                Err(bad) => self.reject(&open.path, bad)?,
            }
        }
        if !ended {
            self.current = Some(open);
        } else if !open.any {
            let error = FieldError::new("file", "is empty");
            self.reject(&open.path, Bad { line: 0, error, shown: Vec::new() })?;
        }
        Ok(())
    }

    fn check_unique(&mut self, read: Read) -> Result<(Record, u64), Bad> {
        let Read { record, line, key } = read;
        match key {
            Some((name, value, shown)) if !self.seen.insert(xxh3_128(value.as_bytes())) => {
                let error = FieldError::new(&name, format!("{value} stood in an earlier row"));
                Err(Bad { line, error, shown })
            }
            _ => Ok((record, line)),
        }
    }

    fn reject(&mut self, path: &Path, bad: Bad) -> Result<(), DataError> {
        let Bad { line, error: FieldError { field, reason }, shown } = bad;
        let known = format!("{field}: {}", without_numbers(&reason));
        *self.report.bad.entry(without_numbers(&known)).or_default() += 1;
        match &mut self.rejects {
            Some(rejects) => rejects.add(path, line, &field, &reason, &shown)?,
            None => {
                self.queue.push_back(Err(DataError::Row {
                    path: path.to_owned(),
                    line,
                    field,
                    reason,
                }));
            }
        }
        Ok(())
    }
}

impl Iterator for Reader {
    type Item = Result<Record, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        match self.fill() {
            Ok(true) => self.queue.pop_front(),
            Ok(false) => None,
            Err(error) => {
                self.done = true;
                Some(Err(error))
            }
        }
    }
}
