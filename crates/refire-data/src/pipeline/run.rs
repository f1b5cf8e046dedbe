use super::{Passed, PipelineReport, Removed, Stage, StageReport};
use crate::{DataError, ReadReport, Reader, Record};
use std::any::Any;
use std::time::Instant;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Records taken in.
    pub taken: u64,
    /// Records that came out.
    pub given: u64,
    /// Bad rows of the reader.
    pub bad: u64,
}

/// Stages one after another over batches of records: memory is that of a batch and of what stages
/// remember, however large the data.
///
/// ```
/// use refire_data::{Example, ExactStage, Part, Pipeline, Record};
/// let mut pipeline = Pipeline::new(vec![Box::new(ExactStage::new(Part::Whole, None))]);
/// let record = Record::new(Example::PromptOnly { prompt: "2 + 3?".into() });
/// let mut kept = Vec::new();
/// pipeline.run(vec![record.clone(), record], &mut |record| { kept.push(record); Ok(()) })?;
/// assert_eq!(kept.len(), 1);
/// assert_eq!(pipeline.report().stages[0].removed["exact duplicate"], 1);
/// # Ok::<(), refire_data::DataError>(())
/// ```
pub struct Pipeline {
    stages: Vec<Box<dyn Stage>>,
    report: PipelineReport,
    batch: usize,
    examples: usize,
    removed: Option<Box<RemovedSink>>,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("report", &self.report).finish_non_exhaustive()
    }
}

/// Bytes of text after which a batch ends, so that long records don't fill the memory.
const BATCH_BYTES: usize = 32 << 20;

/// The next batch of at most `most` records.
fn batch<E>(
    records: &mut dyn Iterator<Item = Result<Record, E>>,
    most: usize,
) -> Result<Vec<Record>, E> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < most && bytes < BATCH_BYTES {
        let Some(record) = records.next().transpose()? else { break };
        bytes += record.example.bytes();
        batch.push(record);
    }
    Ok(batch)
}

/// Takes what a stage removes, behind the stage's name.
type RemovedSink = dyn FnMut(&str, Removed) -> Result<(), DataError>;

/// Takes what comes out.
type Sink<'a> = dyn FnMut(Record) -> Result<(), DataError> + 'a;

impl Pipeline {
    /// Stages in their order; batches of 4096 records (fewer where they hold more than 32 MiB of
    /// text), and up to 5 removed records a reason in the report.
    pub fn new(stages: Vec<Box<dyn Stage>>) -> Self {
        let reports = stages.iter().map(|stage| StageReport::new(stage.name())).collect();
        let report = PipelineReport { stages: reports, ..PipelineReport::default() };
        Self { stages, report, batch: 4096, examples: 5, removed: None }
    }

    /// Gives every record that a stage removes to `sink`, with the stage's name; the report shows a
    /// few of them only.
    ///
    /// ```
    /// use refire_data::{Example, ExactStage, Part, Pipeline, Record};
    /// use std::sync::{Arc, Mutex};
    /// let removed = Arc::new(Mutex::new(Vec::new()));
    /// let seen = Arc::clone(&removed);
    /// let mut pipeline = Pipeline::new(vec![Box::new(ExactStage::new(Part::Whole, None))])
    ///     .with_removed(move |stage, one| {
    ///         seen.lock().unwrap().push(format!("{stage}: {}", one.reason));
    ///         Ok(())
    ///     });
    /// let record = Record::new(Example::PromptOnly { prompt: "2 + 3?".into() });
    /// pipeline.run(vec![record.clone(), record], &mut |_| Ok(()))?;
    /// assert_eq!(*removed.lock().unwrap(), ["exact duplicates: exact duplicate"]);
    /// # Ok::<(), refire_data::DataError>(())
    /// ```
    pub fn with_removed(
        mut self,
        sink: impl FnMut(&str, Removed) -> Result<(), DataError> + 'static,
    ) -> Self {
        self.removed = Some(Box::new(sink));
        self
    }

    /// The first stage of a type, to read what it knows.
    pub fn stage<S: Stage>(&self) -> Option<&S> {
        self.stages.iter().find_map(|stage| {
            let any: &dyn Any = &**stage;
            any.downcast_ref()
        })
    }

    /// As [`stage`](Self::stage), to change or restore it.
    pub fn stage_mut<S: Stage>(&mut self) -> Option<&mut S> {
        self.stages.iter_mut().find_map(|stage| {
            let any: &mut dyn Any = &mut **stage;
            any.downcast_mut()
        })
    }

    /// Sets the records of a batch, and how many removed ones a reason the report shows.
    pub fn with_batch(mut self, records: usize, examples: usize) -> Self {
        (self.batch, self.examples) = (records.max(1), examples);
        self
    }

    /// Runs all stages over records; each that comes out goes to `sink`. A later call goes on where
    /// this one ended: stages keep what they remember, and the report adds up.
    ///
    /// # Errors
    /// The first error of a stage or of the sink.
    pub fn run(
        &mut self,
        records: impl IntoIterator<Item = Record>,
        sink: &mut Sink<'_>,
    ) -> Result<(), DataError> {
        let mut records = records.into_iter().map(Ok);
        loop {
            let batch: Vec<Record> = batch::<DataError>(&mut records, self.batch)?;
            if batch.is_empty() {
                break;
            }
            self.push(batch, sink)?;
        }
        self.finish(sink)
    }

    /// Runs all stages over a reader, telling `progress` after each batch.
    ///
    /// # Errors
    /// The first bad row that isn't set aside, and the first error of a stage or of the sink.
    pub fn run_reader(
        &mut self,
        reader: &mut Reader,
        sink: &mut Sink<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), DataError> {
        loop {
            let batch = batch(reader, self.batch)?;
            self.report.read = reader.report().clone();
            if batch.is_empty() {
                break;
            }
            self.push(batch, sink)?;
            let ReadReport { bad, .. } = reader.report();
            let (taken, given) = (self.report.taken, self.report.given);
            progress(Progress { taken, given, bad: bad.values().sum() });
        }
        self.finish(sink)
    }

    /// What happened so far.
    pub fn report(&self) -> &PipelineReport {
        &self.report
    }

    fn push(&mut self, batch: Vec<Record>, sink: &mut Sink<'_>) -> Result<(), DataError> {
        self.report.taken += batch.len() as u64;
        self.through(0, batch, sink)
    }

    /// A batch through the stages from `first` on.
    fn through(
        &mut self,
        first: usize,
        mut batch: Vec<Record>,
        sink: &mut Sink<'_>,
    ) -> Result<(), DataError> {
        for at in first..self.stages.len() {
            if batch.is_empty() {
                return Ok(());
            }
            let (start, taken) = (Instant::now(), batch.len());
            let passed = self.stages[at].run(batch)?;
            batch = self.note(at, taken, start, passed)?;
        }
        self.report.given += batch.len() as u64;
        batch.into_iter().try_for_each(sink)
    }

    /// Lets each stage give what it held back, which goes through those behind it.
    fn finish(&mut self, sink: &mut Sink<'_>) -> Result<(), DataError> {
        for at in 0..self.stages.len() {
            let start = Instant::now();
            let passed = self.stages[at].finish()?;
            let rest = self.note(at, 0, start, passed)?;
            self.report.stages[at].details = self.stages[at].details();
            if !rest.is_empty() {
                self.through(at + 1, rest, sink)?;
            }
        }
        Ok(())
    }

    fn note(
        &mut self,
        at: usize,
        taken: usize,
        start: Instant,
        passed: Passed,
    ) -> Result<Vec<Record>, DataError> {
        let report = &mut self.report.stages[at];
        report.seconds += start.elapsed().as_secs_f64();
        report.taken += taken as u64;
        report.given += passed.records.len() as u64;
        report.changed += passed.changed as u64;
        for (reason, count) in passed.not_applied {
            *report.not_applied.entry(reason.to_owned()).or_default() += count as u64;
        }
        for removed in &passed.removed {
            report.remove(removed, self.examples);
        }
        if let Some(sink) = &mut self.removed {
            let name = self.stages[at].name();
            passed.removed.into_iter().try_for_each(|removed| sink(name, removed))?;
        }
        Ok(passed.records)
    }
}
