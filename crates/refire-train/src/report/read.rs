use crate::TrainError;
use crate::log::for_each_line;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Completions that a report shows at most, and how many of one prompt.
const SHOWN: usize = 8;
const PER_PROMPT: u64 = 2;

/// Points of one metric: step and value.
pub(super) type Points = Vec<(u64, f64)>;

/// What one phase logged.
#[derive(Debug, Clone)]
pub(super) struct PhaseLog {
    pub(super) name: String,
    pub(super) last_step: u64,
    pub(super) series: BTreeMap<String, Points>,
}

/// Completions of the last step that logged some.
#[derive(Debug, Clone, Default)]
pub(super) struct Completions {
    pub(super) step: u64,
    pub(super) total: usize,
    pub(super) shown: Vec<Shown>,
    phase: String,
}

/// A line of `completions.jsonl`, as far as a report shows it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Shown {
    phase: String,
    step: u64,
    sample: u64,
    pub(super) prompt: String,
    pub(super) completion: String,
    pub(super) tokens: u64,
    pub(super) finish: String,
    pub(super) reward: Option<f64>,
    #[serde(default)]
    pub(super) reason: Option<String>,
}

#[derive(Deserialize)]
struct MetricsLine {
    phase: String,
    step: u64,
    #[serde(flatten)]
    metrics: BTreeMap<String, Option<f64>>,
}

/// The phases in the order they ran. Numbers that weren't finite leave a gap.
pub(super) fn metrics(path: &Path) -> Result<Vec<PhaseLog>, TrainError> {
    let mut phases: Vec<PhaseLog> = Vec::new();
    for_each_line(path, |_, line: MetricsLine| {
        if phases.last().is_none_or(|phase| phase.name != line.phase) {
            let (name, series) = (line.phase, BTreeMap::new());
            phases.push(PhaseLog { name, last_step: 0, series });
        }
        let Some(phase) = phases.last_mut() else { return Ok(()) };
        phase.last_step = phase.last_step.max(line.step);
        for (name, value) in line.metrics {
            let points = phase.series.entry(name).or_default();
            points.extend(value.map(|value| (line.step, value)));
        }
        Ok(())
    })?;
    Ok(phases)
}

/// The first samples of each prompt of the last logged step; nothing if there is no log.
pub(super) fn completions(path: &Path) -> Result<Completions, TrainError> {
    let mut last = Completions::default();
    if !path.try_exists().map_err(TrainError::io("read", path))? {
        return Ok(last);
    }
    for_each_line(path, |_, line: Shown| {
        if (last.step, last.phase.as_str()) != (line.step, line.phase.as_str()) {
            let phase = line.phase.clone();
            last = Completions { step: line.step, total: 0, shown: Vec::new(), phase };
        }
        last.total += 1;
        if line.sample < PER_PROMPT && last.shown.len() < SHOWN {
            last.shown.push(line);
        }
        Ok(())
    })?;
    Ok(last)
}
