use crate::{DataError, Record};
use rayon::prelude::*;
use serde_json::Value;
use std::any::Any;
use std::collections::BTreeMap;

/// A record that a stage took out.
#[derive(Debug, Clone, PartialEq)]
pub struct Removed {
    /// The record.
    pub record: Record,
    /// The rule, to count by.
    pub reason: String,
    /// What was found.
    pub detail: String,
}

/// What a stage made of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Passed {
    /// Records that go on: kept, changed or new.
    pub records: Vec<Record>,
    /// Records that don't.
    pub removed: Vec<Removed>,
    /// How many of `records` were changed.
    pub changed: usize,
    /// How many of `records` the stage doesn't apply to, by reason.
    pub not_applied: BTreeMap<&'static str, usize>,
}

impl Passed {
    /// Takes a record out.
    pub fn remove(&mut self, record: Record, reason: &str, detail: impl Into<String>) {
        self.removed.push(Removed { record, reason: reason.to_owned(), detail: detail.into() });
    }

    /// Lets a record go on that the stage doesn't apply to.
    pub fn let_by(&mut self, record: Record, reason: &'static str) {
        *self.not_applied.entry(reason).or_default() += 1;
        self.records.push(record);
    }
}

/// One step of a [`Pipeline`](crate::Pipeline). Batches come in order, so a stage may remember what
/// it saw; the work on one record belongs on all threads.
pub trait Stage: Any {
    /// Its name in the report.
    fn name(&self) -> &str;

    /// Takes a batch.
    ///
    /// # Errors
    /// When the run can't go on. A record that isn't wanted is no error.
    fn run(&mut self, records: Vec<Record>) -> Result<Passed, DataError>;

    /// What is left when there are no more batches; for stages that hold records back.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    fn finish(&mut self) -> Result<Passed, DataError> {
        Ok(Passed::default())
    }

    /// Anything more for the report, as JSON.
    fn details(&self) -> Value {
        Value::Null
    }
}

struct FilterMap<F> {
    name: String,
    work: F,
}

impl<F> Stage for FilterMap<F>
where
    F: Fn(Record) -> Result<Record, Box<Removed>> + Sync + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&mut self, records: Vec<Record>) -> Result<Passed, DataError> {
        let done: Vec<_> = records
            .into_par_iter()
            .map(|record| {
                let before = record.id();
                (self.work)(record).map(|record| (record.id() != before, record))
            })
            .collect();
        let mut passed = Passed::default();
        for result in done {
            match result {
                Ok((changed, record)) => {
                    passed.changed += usize::from(changed);
                    passed.records.push(record);
                }
                Err(removed) => passed.removed.push(*removed),
            }
        }
        Ok(passed)
    }
}

/// A stage from a function on one record that returns the record, changed or not, or takes it out.
/// Runs on all threads.
///
/// ```
/// use refire_data::{Example, Record, Removed, filter_map_stage};
/// let whole = |text: &str| Example::LanguageModelling { content: text.into() };
/// let mut stage = filter_map_stage("trim", move |record: Record| {
///     match record.example.full_text().trim() {
///         "" => Err(Box::new(Removed { record, reason: "empty".into(), detail: String::new() })),
///         text => Ok(record.derive(whole(text), "trim")),
///     }
/// });
/// let passed = stage.run([" a text\n", " "].map(|text| Record::new(whole(text))).into())?;
/// assert_eq!(passed.records[0].example, whole("a text"));
/// assert_eq!((passed.changed, passed.removed.len()), (1, 1));
/// # Ok::<(), refire_data::DataError>(())
/// ```
pub fn filter_map_stage(
    name: impl Into<String>,
    work: impl Fn(Record) -> Result<Record, Box<Removed>> + Sync + 'static,
) -> Box<dyn Stage> {
    Box::new(FilterMap { name: name.into(), work })
}

/// A stage from a function that says why a record isn't wanted: (reason, detail), or `None`. Runs
/// on all threads.
///
/// ```
/// use refire_data::{Record, filter_stage};
/// let mut stage = filter_stage("short", |record: &Record| {
///     let n = record.example.full_text().len();
///     (n < 10).then(|| ("too short".to_owned(), format!("{n} bytes")))
/// });
/// assert!(stage.run(Vec::new())?.records.is_empty());
/// # Ok::<(), refire_data::DataError>(())
/// ```
pub fn filter_stage(
    name: impl Into<String>,
    why_not: impl Fn(&Record) -> Option<(String, String)> + Sync + 'static,
) -> Box<dyn Stage> {
    filter_map_stage(name, move |record| match why_not(&record) {
        None => Ok(record),
        Some((reason, detail)) => Err(Box::new(Removed { record, reason, detail })),
    })
}
