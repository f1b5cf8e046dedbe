use super::lines::{Lines, to_line};
use crate::TrainError;
use refire_core::{BoxError, Callback, Control, Event, Metrics, Stateful};
use serde::{Serialize, Serializer, ser::SerializeMap};
use std::path::Path;

/// Writes `metrics.jsonl`: one line per step and one per evaluation.
///
/// ```text
/// {"phase":"rl","step":12,"kl":0.01,"loss":-0.2,"reward":0.5,"step_seconds":1.5}
/// ```
///
/// Keys stand in alphabetical order behind `phase` and `step`; times (`…_seconds`) come last.
/// A number that isn't finite is written as `null`.
///
/// Every line is flushed, so a kill tears at most the last one. At `Event::Start` the log is cut
/// back to what is older than the run's `done` steps: a run that is killed and resumed leaves the
/// bytes of the uninterrupted run, times apart. A phase that starts from step 0 replaces its
/// former lines and those of later phases; earlier phases stay.
///
/// ```
/// use refire_core::{Callback, Event, Metric, Metrics, Phase};
/// use refire_train::MetricsLog;
///
/// let folder = tempfile::tempdir()?;
/// let mut log = MetricsLog::new(folder.path());
/// let mut metrics = Metrics::default();
/// metrics.add(Metric::mean("loss", 1.5, 2.0));
/// log.on_event(&Event::Start { phase: Phase::Sft, done: 0, total: 1 })?;
/// log.on_event(&Event::Step { step: 1, metrics: &metrics })?;
///
/// let text = std::fs::read_to_string(folder.path().join("metrics.jsonl"))?;
/// assert_eq!(text, "{\"phase\":\"sft\",\"step\":1,\"loss\":0.75}\n");
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug)]
pub struct MetricsLog {
    lines: Lines,
}

impl MetricsLog {
    /// A log in the run's folder, which is created at the start if it is missing.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self { lines: Lines::new("MetricsLog", folder.as_ref().join("metrics.jsonl")) }
    }

    fn write(&mut self, event: &'static str, step: u64, m: &Metrics) -> Result<(), TrainError> {
        let mut metrics: Vec<_> = m.iter().collect();
        if let Some((name, _)) = metrics.iter().find(|(name, _)| ["phase", "step"].contains(name)) {
            return Err(TrainError::MetricName { name: (*name).to_owned() });
        }
        metrics.sort_by_key(|(name, _)| (name.ends_with("_seconds"), *name));
        let line = Line { phase: self.lines.phase(event)?, step, metrics };
        let line = to_line(self.lines.path(), &line)?;
        self.lines.append(&line)
    }
}

impl Stateful for MetricsLog {}

impl Callback for MetricsLog {
    fn on_event(&mut self, event: &Event<'_>) -> Result<Control, BoxError> {
        match event {
            Event::Start { phase, done, .. } => self.lines.start(*phase, *done)?,
            Event::Step { step, metrics } => self.write("Step", *step, metrics)?,
            Event::Evaluation { step, metrics } => self.write("Evaluation", *step, metrics)?,
            _ => {}
        }
        Ok(Control::Continue)
    }
}

struct Line<'a> {
    phase: &'a str,
    step: u64,
    metrics: Vec<(&'a str, f64)>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2 + self.metrics.len()))?;
        map.serialize_entry("phase", self.phase)?;
        map.serialize_entry("step", &self.step)?;
        self.metrics.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}
