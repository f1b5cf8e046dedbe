use std::sync::Arc;

use refire_core::{BoxError, Prompt, Reward, Score, Scored};
use refire_sandbox::{Job, Outcome, Sandbox, Suite, TestResult, Verdict};
use serde::Deserialize;

use super::exact::text_of;
use super::extract::last_fence;
use super::{CodeConfig, Credit, Tier, TierWeights};
use crate::RewardError;

/// Whether the program in a reply passes its prompt's tests.
///
/// The prompt has a [`Suite`] under `tests` in [`Prompt::meta`], and for [`Credit::Tiers`] a list
/// under `tiers` that says the tier of each test; a curriculum may say which tiers count for now,
/// and what they are worth, under `tarot`: `{"tiers": [...], "weights": {...}}`. Programs are Python. They run in a
/// [`Sandbox`], all of a batch at once.
///
/// `tests` is an object, or the text of one. Integers of more than 64 bits stay exact in text only:
/// an object has rounded them by the time it gets here, so calls with such numbers are refused
/// rather than failed by every right program.
///
/// | what happened | score |
/// |---|---|
/// | the prompt has no tests, or tests that decide nothing | [`Score::Unscorable`] |
/// | the sandbox failed | [`Score::Unavailable`], worth asking again |
/// | the token limit cut the reply off (if `truncated_is_wrong`), or it has no program | 0 |
/// | the program ran | what [`Credit`] says |
///
/// A timeout, a crash or too much memory is a wrong program and scores as one; open-r1 gives such
/// a program no score at all, and TAROT scores a failure of the sandbox as a wrong program.
///
/// Parts: `passed` (1 if all tests passed, else 0) and, unless one failure ends the run as for
/// [`Credit::PassAll`], `fraction`.
///
/// ```
/// use refire_core::{Completion, Finish, Prompt, Reward, Scored};
/// use refire_reward::{CodeConfig, CodeReward};
///
/// let reward = match CodeReward::new(CodeConfig::default()) {
///     Ok(reward) => reward,
///     Err(error) => {
///         eprintln!("skipped: {error}");
///         return Ok(());
///     }
/// };
/// let tests = serde_json::json!({
///     "kind": "check",
///     "entry_point": "add",
///     "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
/// });
/// let meta = [("tests".to_owned(), tests)].into_iter().collect();
/// let prompt = Prompt { meta, ..Prompt::default() };
/// let completion = Completion {
///     tokens: vec![1],
///     loss_mask: vec![true],
///     model_logprobs: vec![0.0],
///     behaviour_logprobs: vec![0.0],
///     versions: vec![0],
///     turns: vec![],
///     text: "So:\n```python\ndef add(a, b):\n    return a + b\n```\n".into(),
///     finish: Finish::EndToken { token: 1 },
/// };
/// let scores = reward.score(&[Scored { prompt: &prompt, completion: &completion, group: 0 }])?;
/// assert_eq!(scores[0].total(), Some(1.0));
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug)]
pub struct CodeReward {
    sandbox: Sandbox,
    credit: Credit,
    truncated_is_wrong: bool,
    fenced: bool,
}

impl CodeReward {
    /// The reward, with a sandbox of its own.
    ///
    /// # Errors
    /// When [`CodeConfig::validate`] finds a problem, and when the machine lacks a layer of
    /// confinement: the error names it and its cure.
    pub fn new(config: CodeConfig) -> Result<Self, RewardError> {
        RewardError::collect("code", config.validate())?;
        let CodeConfig { credit, truncated_is_wrong, fenced, sandbox } = config;
        let sandbox = Sandbox::new(sandbox).map_err(|source| RewardError::Member {
            reward: "code".to_owned(),
            source: source.into(),
        })?;
        Ok(Self { sandbox, credit, truncated_is_wrong, fenced })
    }

    /// The sandbox programs run in.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The job of an item, or the score it has without one.
    fn job(&self, item: &Scored<'_>) -> Result<Task, Score> {
        let task = Task::read(item.prompt, self.credit)?;
        let wrong = value(self.credit, 0.0, 0.0, 0.0);
        if self.truncated_is_wrong && item.completion.is_truncated() {
            return Err(wrong);
        }
        let text = item.completion.text.as_str();
        let program = if self.fenced { last_fence(text).ok_or(wrong)? } else { text };
        let stop_at_first = self.credit == Credit::PassAll;
        let job = Job { stop_at_first, ..Job::new(program, task.suite) };
        Ok(Task { job, tiers: task.tiers, active: task.active })
    }

    fn judge(&self, outcome: &Outcome, task: &Task) -> Score {
        let tiers = &task.tiers;
        match &outcome.verdict {
            Verdict::Infra { reason, retry: true } => {
                return Score::unavailable(reason.clone(), true);
            }
            Verdict::Infra { reason, retry: false } => return Score::unscorable(reason.clone()),
            _ => {}
        }
        let passed = f64::from(u8::from(outcome.verdict.is_passed()));
        let fraction = outcome.fraction().unwrap_or(0.0);
        let total = match self.credit {
            Credit::PassAll => passed,
            Credit::Fraction => fraction,
            Credit::Tiers { weights } => {
                if !outcome.tests.is_empty() && outcome.tests.len() != tiers.len() {
                    let (tests, tiers) = (outcome.tests.len(), tiers.len());
                    return Score::unscorable(format!("{tiers} tiers for {tests} tests"));
                }
                let holds = |tier: Tier| {
                    let mut own =
                        tiers.iter().zip(&outcome.tests).filter(|(t, _)| **t == tier).peekable();
                    own.peek().is_some() && own.all(|(_, test)| *test == TestResult::Passed)
                };
                let of = |active: &Active| (active.tiers.clone(), active.weights);
                let (active, weights) =
                    task.active.as_ref().map_or((Tier::ALL.to_vec(), weights), of);
                active.into_iter().filter(|tier| holds(*tier)).map(|tier| weights.of(tier)).sum()
            }
        };
        value(self.credit, total, passed, fraction)
    }
}

struct Tests {
    suite: Arc<Suite>,
    tiers: Vec<Tier>,
    active: Option<Active>,
}

struct Task {
    job: Job,
    tiers: Vec<Tier>,
    active: Option<Active>,
}

/// What a curriculum lets count.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Active {
    tiers: Vec<Tier>,
    weights: TierWeights,
}

impl Task {
    /// The tests of a prompt, which may be wrong in as many ways as data can be.
    fn read(prompt: &Prompt, credit: Credit) -> Result<Tests, Score> {
        let Some(tests) = prompt.meta.get("tests") else {
            return Err(Score::unscorable("the prompt has no `tests`"));
        };
        let unreadable = |what: &str, error: &dyn std::fmt::Display| {
            Score::unscorable(format!("{what}: {error}"))
        };
        // By way of text, since arguments of calls are kept as text.
        let text = text_of(tests).map_err(Score::unscorable)?;
        let suite: Suite = serde_json::from_str(&text)
            .map_err(|error| unreadable("the prompt's `tests` can't be read", &error))?;
        suite.validate().map_err(|error| unreadable("the prompt's `tests`", &error))?;
        let tiers = match (credit, prompt.meta.get("tiers")) {
            (Credit::Tiers { .. }, Some(tiers)) => serde_json::from_value(tiers.clone())
                .map_err(|error| unreadable("the prompt's `tiers` can't be read", &error))?,
            (Credit::Tiers { .. }, None) => {
                return Err(Score::unscorable("the prompt has no `tiers`"));
            }
            _ => Vec::new(),
        };
        let active = match (credit, prompt.meta.get("tarot")) {
            (Credit::Tiers { .. }, Some(active)) => serde_json::from_value(active.clone())
                .map_err(|error| unreadable("the prompt's `tarot` can't be read", &error))?,
            _ => None,
        };
        Ok(Tests { suite: Arc::new(suite), tiers, active })
    }
}

/// A score with its parts. Where the first failure ends a run there is no fraction to report.
fn value(credit: Credit, total: f64, passed: f64, fraction: f64) -> Score {
    let mut parts = vec![("passed".to_owned(), passed)];
    if credit != Credit::PassAll {
        parts.push(("fraction".to_owned(), fraction));
    }
    Score::Value { total, parts, per_token: None }
}

impl Reward for CodeReward {
    fn name(&self) -> &str {
        "code"
    }

    fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
        let tasks: Vec<_> = items.iter().map(|item| self.job(item)).collect();
        let jobs: Vec<Job> = tasks.iter().flatten().map(|task| task.job.clone()).collect();
        let mut outcomes = self.sandbox.run_batch(&jobs).into_iter();
        let mut judge = |task: Task| match outcomes.next() {
            Some(outcome) => self.judge(&outcome, &task),
            None => Score::unavailable("the sandbox lost a job", true),
        };
        Ok(tasks.into_iter().map(|task| task.map_or_else(|score| score, &mut judge)).collect())
    }
}
