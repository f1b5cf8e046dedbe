use refire_core::BoxError;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What can go wrong in a training run, its files and its reports.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A file or folder can't be read or written.
    #[error("can't {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as a verb: read, write, create.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file that should hold JSON holds something else.
    #[error("`{}`, line {line}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// A configuration value out of its range.
    #[error("`{field}` is {value}, expected {expected}")]
    BadConfig {
        /// Name of the field.
        field: &'static str,
        /// The value found, as text.
        value: String,
        /// The permitted range, in words.
        expected: &'static str,
    },
    /// A checkpoint that doesn't belong to this run.
    #[error("the checkpoint `{}` doesn't fit: {what}", path.display())]
    CheckpointMismatch {
        /// Its folder.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// Lists that must be equally long are not.
    #[error("{what}: {found} entries, expected {expected}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// Entries found.
        found: usize,
        /// Entries expected.
        expected: usize,
    },
    /// An event that must follow `Event::Start` came before it.
    #[error("{owner} got the event `{event}` before `Start`")]
    NotStarted {
        /// Who got it.
        owner: &'static str,
        /// The event.
        event: &'static str,
    },
    /// A metric with the name of one of the log's own columns.
    #[error("a metric can't be called `{name}`: the log has a column of that name")]
    MetricName {
        /// The name.
        name: String,
    },
    /// The handler for Ctrl-C can't be installed.
    #[error("can't install the handler for Ctrl-C: {source}")]
    Interrupt {
        /// The cause: another handler is installed already, say.
        source: ctrlc::Error,
    },
    /// A curve can't be drawn.
    #[error("can't draw the curve `{curve}`: {reason}")]
    Draw {
        /// Its title.
        curve: String,
        /// The cause.
        reason: String,
    },
    /// A configuration with problems, all of them listed.
    #[error("bad configuration: {}", problems.join("; "))]
    Config {
        /// One message per problem.
        problems: Vec<String>,
    },
    /// A part of a step failed; what stood before the step was saved where a folder is configured.
    #[error("step {step}, {part}: {source}")]
    Step {
        /// The step, from 1.
        step: u64,
        /// What was being done.
        part: &'static str,
        /// Why it failed.
        source: BoxError,
    },
    /// A verifier was not available and the run is configured to stop then.
    #[error("the verifier is unavailable for prompt {prompt}, sample {sample}: {reason}")]
    Unavailable {
        /// The prompt's id.
        prompt: u64,
        /// Sample index within its group.
        sample: usize,
        /// What the verifier said.
        reason: String,
    },
    /// No group was left to train on.
    #[error("no group passed the filter in {rounds} rounds of {prompts} prompts")]
    NothingKept {
        /// Rounds of generation.
        rounds: usize,
        /// Prompts per round.
        prompts: usize,
    },
    /// The source of data has nothing at all.
    #[error("the source of {what} is empty")]
    NoData {
        /// What it should give.
        what: &'static str,
    },
    /// A row or group that must stay whole doesn't fit a micro-batch.
    #[error("{rows} rows of one {unit} must stay together, a micro-batch holds {limit}")]
    MicroBatch {
        /// Rows that belong together.
        rows: usize,
        /// What they are.
        unit: &'static str,
        /// Rows a micro-batch may hold.
        limit: usize,
    },
}

impl TrainError {
    /// What a loop's step is when its source gives nothing: an error at the start, the end later.
    pub(crate) fn exhausted(
        what: &'static str,
        step: u64,
    ) -> Result<Option<refire_core::Metrics>, BoxError> {
        if step == 0 { Err(Self::NoData { what }.into()) } else { Ok(None) }
    }

    /// Whether an objective's wish for a reference is met.
    pub(crate) fn needs_reference(
        objective: &str,
        needs: refire_core::Needs,
        there: bool,
    ) -> Result<(), BoxError> {
        if there || !(needs.ref_logprobs || needs.full_kl.is_some()) {
            return Ok(());
        }
        let problem = format!("`{objective}` needs a reference, and there is none");
        Err(Self::Config { problems: vec![problem] }.into())
    }

    /// An [`Io`](Self::Io) error, for `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
