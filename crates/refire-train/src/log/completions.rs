use super::lines::{Lines, to_line};
use crate::TrainError;
use refire_core::{BoxError, Callback, Completion, Control, Event, Finish, Group, Score, Stateful};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use std::path::Path;

/// What [`CompletionsLog`] writes down.
///
/// The default is everything, as with TRL's `log_completions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompletionsLogConfig {
    /// Writes step 1 and every step that is a multiple of this.
    pub every: u64,
    /// Writes the first groups of a step, this many; `None` writes all.
    pub max_groups: Option<usize>,
}

impl Default for CompletionsLogConfig {
    fn default() -> Self {
        Self { every: 1, max_groups: None }
    }
}

impl CompletionsLogConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<TrainError> {
        let (value, expected) = ("0".to_owned(), "at least 1");
        let mut problems = Vec::new();
        if self.every == 0 {
            problems.push(TrainError::BadConfig { field: "every", value: value.clone(), expected });
        }
        if self.max_groups == Some(0) {
            problems.push(TrainError::BadConfig { field: "max_groups", value, expected });
        }
        problems
    }
}

/// Writes `completions.jsonl`: one line per completion that was trained on.
///
/// ```text
/// {"phase":"rl","step":1,"prompt_id":7,"sample":0,"prompt":"6*7=","completion":"42","tokens":3,
///  "finish":"end_token","reward":1.1,"parts":{"correct":1.0,"format":0.1}}
/// ```
///
/// (on one line). `finish` is the kind of [`Finish`]. A completion without a score has
/// `"reward":null` and a `reason`. The file survives kills and resumes as that of
/// [`MetricsLog`](crate::MetricsLog) does.
///
/// ```
/// use refire_core::{Callback, Event, Phase};
/// use refire_train::{CompletionsLog, CompletionsLogConfig};
///
/// let folder = tempfile::tempdir()?;
/// let config = CompletionsLogConfig { every: 10, max_groups: Some(2) };
/// let mut log = CompletionsLog::new(folder.path(), config)?;
/// log.on_event(&Event::Start { phase: Phase::Rl, done: 0, total: 100 })?;
/// log.on_event(&Event::Rollouts { step: 1, groups: &[], scores: &[] })?;
/// assert!(folder.path().join("completions.jsonl").exists());
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug)]
pub struct CompletionsLog {
    lines: Lines,
    config: CompletionsLogConfig,
}

impl CompletionsLog {
    /// A log in the run's folder, which is created at the start if it is missing.
    ///
    /// # Errors
    /// The first problem of the configuration.
    pub fn new(folder: impl AsRef<Path>, config: CompletionsLogConfig) -> Result<Self, TrainError> {
        if let Some(problem) = config.validate().into_iter().next() {
            return Err(problem);
        }
        let lines = Lines::new("CompletionsLog", folder.as_ref().join("completions.jsonl"));
        Ok(Self { lines, config })
    }

    fn write(
        &mut self,
        step: u64,
        groups: &[Group],
        scores: &[Vec<Score>],
    ) -> Result<(), TrainError> {
        let phase = self.lines.phase("Rollouts")?;
        if step != 1 && !step.is_multiple_of(self.config.every) {
            return Ok(());
        }
        same("score lists of a step", scores.len(), groups.len())?;
        let mut text = Vec::new();
        let most = self.config.max_groups.unwrap_or(usize::MAX);
        for (group, scores) in groups.iter().zip(scores).take(most) {
            same("scores of a group", scores.len(), group.completions.len())?;
            for (sample, (completion, score)) in group.completions.iter().zip(scores).enumerate() {
                let line = Line::new(phase, step, group, sample, completion, score);
                text.extend(to_line(self.lines.path(), &line)?);
            }
        }
        self.lines.append(&text)
    }
}

fn same(what: &'static str, found: usize, expected: usize) -> Result<(), TrainError> {
    if found == expected { Ok(()) } else { Err(TrainError::Count { what, found, expected }) }
}

impl Stateful for CompletionsLog {}

impl Callback for CompletionsLog {
    fn on_event(&mut self, event: &Event<'_>) -> Result<Control, BoxError> {
        match event {
            Event::Start { phase, done, .. } => self.lines.start(*phase, *done)?,
            Event::Rollouts { step, groups, scores } => self.write(*step, groups, scores)?,
            _ => {}
        }
        Ok(Control::Continue)
    }
}

#[derive(Serialize)]
struct Line<'a> {
    phase: &'a str,
    step: u64,
    prompt_id: u64,
    sample: usize,
    prompt: &'a str,
    completion: &'a str,
    tokens: usize,
    #[serde(serialize_with = "kind")]
    finish: &'a Finish,
    reward: Option<f64>,
    #[serde(serialize_with = "map")]
    parts: &'a [(String, f64)],
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn new(
        phase: &'a str,
        step: u64,
        group: &'a Group,
        sample: usize,
        completion: &'a Completion,
        score: &'a Score,
    ) -> Self {
        let (parts, reason): (&[_], _) = match score {
            Score::Value { parts, .. } => (parts, None),
            Score::Unscorable { reason } | Score::Unavailable { reason, .. } => (&[], Some(reason)),
        };
        Self {
            phase,
            step,
            prompt_id: group.request.prompt.id,
            sample,
            prompt: &group.request.prompt.text,
            completion: &completion.text,
            tokens: completion.len(),
            finish: &completion.finish,
            reward: score.total(),
            parts,
            reason: reason.map(|r| r.0.as_str()),
        }
    }
}

/// The tag of an enum, which follows the enum when it gets new kinds.
fn kind<S: Serializer>(finish: &Finish, serializer: S) -> Result<S::Ok, S::Error> {
    let value = serde_json::to_value(finish).map_err(serde::ser::Error::custom)?;
    value["kind"].serialize(serializer)
}

fn map<S: Serializer>(parts: &[(String, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(parts.len()))?;
    parts.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
    map.end()
}
