use super::array::Elements;
use super::lines::{Lines, SHOWN};
use super::rejects::Rejects;
use super::row::{Body, Raw, parse};
use super::{compression, files};
use crate::example::{FieldError, Origin, Record};
use crate::{DataError, Format};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_128;

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

/// What was read so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadReport {
    /// Files begun.
    pub files: u64,
    /// Records that came through.
    pub records: u64,
    /// Bad rows, by reason (without its numbers).
    pub bad: BTreeMap<String, u64>,
}

impl ReadReport {
    /// Bad rows in all.
    pub fn bad_rows(&self) -> u64 {
        self.bad.values().sum()
    }
}

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

enum Rows {
    Lines(Lines),
    Elements(Elements),
    #[cfg(feature = "parquet")]
    Table(Box<super::parquet::Table>),
}

impl Rows {
    fn open(path: &Path, limit: usize) -> Result<Self, DataError> {
        #[cfg(feature = "parquet")]
        if super::parquet::is_parquet(path)? {
            return Ok(Self::Table(Box::new(super::parquet::Table::open(path)?)));
        }
        let mut file = compression::open(path)?;
        let unsupported = |reason: &str| DataError::Unsupported {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let failed = |source| DataError::File { path: path.to_owned(), source };
        let start = file.fill_buf().map_err(failed)?;
        if start.starts_with(b"PAR1") {
            return Err(unsupported("Parquet files need the feature `parquet` of refire-data"));
        }
        // Of two bytes, one is 0 in what JSON begins with; else these are bad bytes of a first line.
        if matches!(start, [0xff, 0xfe, _, 0, ..] | [0xfe, 0xff, 0, ..]) {
            return Err(unsupported("the text is UTF-16; convert it to UTF-8"));
        }
        let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        let list = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        Ok(if list {
            Self::Elements(Elements::new(file, limit))
        } else {
            Self::Lines(Lines::new(file, limit))
        })
    }

    fn next_row(&mut self) -> Option<Raw> {
        match self {
            Self::Lines(lines) => lines.next_row(),
            Self::Elements(elements) => match elements.next_row() {
                Some(raw) => Some(raw),
                None => {
                    *self = Self::Lines(elements.rest()?);
                    self.next_row()
                }
            },
            #[cfg(feature = "parquet")]
            Self::Table(table) => table.next_row(),
        }
    }
}

/// A row that can't be used.
struct Bad {
    line: u64,
    error: FieldError,
    shown: Vec<u8>,
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

struct Columns {
    line: u64,
    columns: Map<String, Value>,
    shown: Vec<u8>,
}

fn columns(raw: Raw) -> Result<Columns, Bad> {
    let line = raw.line;
    match raw.body {
        Body::Bytes(mut bytes) => {
            let parsed = parse(&bytes);
            bytes.truncate(SHOWN);
            match parsed {
                Ok(columns) => Ok(Columns { line, columns, shown: bytes }),
                Err(reason) => {
                    Err(Bad { line, error: FieldError::new("row", reason), shown: bytes })
                }
            }
        }
        Body::Columns(columns) => Ok(Columns { line, columns, shown: Vec::new() }),
        Body::Bad { reason, shown } => {
            Err(Bad { line, error: FieldError::new("row", reason), shown })
        }
        Body::BadCell { field, reason } => {
            Err(Bad { line, error: FieldError { field, reason }, shown: Vec::new() })
        }
    }
}

struct Read {
    record: Record,
    line: u64,
    /// The column that must be unique: its name, its value, and the row.
    key: Option<(String, String, Vec<u8>)>,
}

fn record(row: Columns, format: &Format, unique: Option<&str>) -> Result<Read, Bad> {
    let Columns { line, columns, shown } = row;
    let key = match unique {
        None => None,
        Some(name) => match columns.get(name) {
            Some(value) => Some((name.to_owned(), value.to_string(), shown.clone())),
            None => return Err(Bad { line, error: FieldError::missing(name), shown }),
        },
    };
    match format.read(columns) {
        Ok(record) => Ok(Read { record, line, key }),
        Err(error) => Err(Bad { line, error, shown }),
    }
}

/// A reason without its numbers, to count alike reasons together.
fn without_numbers(reason: &str) -> String {
    let mut short = String::new();
    for c in reason.chars() {
        if c.is_ascii_digit() {
            if !short.ends_with('#') {
                short.push('#');
            }
        } else {
            short.push(c);
        }
    }
    short
}
