use super::{Asker, Made, Recipe};
use crate::{Attempt, Attempts, DataError, Example, Record};
use refire_core::{Completion, Message, Role};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Which traces of the weak model are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// All of them: even wrong ones teach the form of reasoning.
    All,
    /// Those that agree with the label.
    #[default]
    Right,
    /// Those that don't.
    Wrong,
}

/// Weak-to-strong reasoning (W2SR): a weaker model that reasons writes traces for a stronger one.
/// Without reference answers it labels them itself: the answer most of its samples agree on is
/// taken for right, if enough do.
///
/// ```
/// use refire_core::SamplingParams;
/// use refire_data::{Asker, Example, Record, WeakToStrong};
/// # use refire_core::{BoxError, Message, RolloutEngine};
/// # fn encode(messages: &[Message]) -> Result<Vec<u32>, BoxError> {
/// #     Ok(messages.iter().flat_map(|m| m.content.bytes().map(u32::from)).collect())
/// # }
/// # fn with(engine: &mut dyn RolloutEngine) -> Result<(), BoxError> {
/// let mut asker = Asker::new(engine, &encode, SamplingParams::default());
/// let question = Record::new(Example::PromptOnly { prompt: "2 + 3?".into() });
/// let answer_of = |trace: &str| trace.split_whitespace().last().map(str::to_owned);
/// let made = WeakToStrong::default().run(&mut asker, &[question], &answer_of)?;
/// // The traces that come to the answer of most.
/// assert!(made.iter().all(|trace| trace.extra["agreement"].as_f64() >= Some(0.5)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WeakToStrong {
    /// Traces sampled of a question.
    pub samples: usize,
    /// Which are kept.
    pub keep: Keep,
    /// Least share of samples that must agree, in `[0, 1]`.
    pub agreement: f64,
}

impl Default for WeakToStrong {
    fn default() -> Self {
        Self { samples: 8, keep: Keep::Right, agreement: 0.5 }
    }
}

impl WeakToStrong {
    /// Prompt–completion records from traces whose answer `answer_of` finds; the extra columns
    /// `self_label` and `agreement` say what was taken for right, and by which share. Truncated
    /// traces count against agreement and are never kept.
    ///
    /// # Errors
    /// When asking fails.
    pub fn run(
        &self,
        asker: &mut Asker<'_>,
        questions: &[Record],
        answer_of: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<Record>, DataError> {
        let made = self.each(asker, questions, answer_of)?;
        Ok(made.into_iter().filter_map(Result::ok).flatten().collect())
    }

    fn each(
        &self,
        asker: &mut Asker<'_>,
        questions: &[Record],
        answer_of: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<Made>, DataError> {
        let text = |record: &Record| record.example.prompt_text().unwrap_or_default();
        let ask =
            |record: &Record| (record.id().short(), vec![Message::new(Role::User, text(record))]);
        let asked: Vec<_> = questions.iter().map(ask).collect();
        let traces = questions.iter().zip(asker.ask(&asked, self.samples)?);
        Ok(traces.map(|(record, traces)| self.label(record, &traces, answer_of)).collect())
    }

    fn label(
        &self,
        record: &Record,
        traces: &[Completion],
        answer_of: &dyn Fn(&str) -> Option<String>,
    ) -> Made {
        let whole = traces.iter().filter(|trace| !trace.is_truncated());
        let answers: Vec<(&str, Option<String>)> =
            whole.map(|trace| (trace.text.as_str(), answer_of(&trace.text))).collect();
        let (label, votes) = majority(&answers).ok_or("no trace has an answer")?;
        let share = votes as f64 / self.samples as f64;
        if share < self.agreement {
            return Err("the traces disagree");
        }
        let attempts = labelled(record, &answers, &label).attempts.into_iter();
        let wanted = attempts.filter(|attempt| match self.keep {
            Keep::All => true,
            Keep::Right => attempt.correct == Some(true),
            Keep::Wrong => attempt.correct == Some(false),
        });
        let prompt = record.example.prompt_text().unwrap_or_default();
        let made = wanted.map(|attempt| {
            let (prompt, completion) = (prompt.as_str().into(), attempt.text.into());
            let example = Example::PromptCompletion { prompt, completion };
            let mut trace = record.derive(example, "synthesis: weak to strong");
            trace.extra.insert("self_label".to_owned(), label.clone().into());
            trace.extra.insert("agreement".to_owned(), share.into());
            trace
        });
        let made: Vec<Record> = made.collect();
        if made.is_empty() { Err("no trace is of the kind to keep") } else { Ok(made) }
    }
}

/// The recipe with a function that finds the answer of a trace.
impl<F: Fn(&str) -> Option<String>> Recipe for (WeakToStrong, F) {
    fn name(&self) -> &str {
        "weak to strong"
    }
    fn make(&mut self, asker: &mut Asker<'_>, records: &[Record]) -> Result<Vec<Made>, DataError> {
        self.0.each(asker, records, &self.1)
    }
}

/// The most frequent answer, the first of equally frequent ones, and its votes.
fn majority(answers: &[(&str, Option<String>)]) -> Option<(String, usize)> {
    let mut votes: HashMap<&str, (usize, usize)> = HashMap::new();
    for (at, (_, answer)) in answers.iter().enumerate() {
        if let Some(answer) = answer {
            votes.entry(answer).or_insert((0, at)).0 += 1;
        }
    }
    let best = votes.into_iter().max_by_key(|(_, (votes, at))| (*votes, std::cmp::Reverse(*at)))?;
    Some((best.0.to_owned(), best.1.0))
}

fn labelled(record: &Record, answers: &[(&str, Option<String>)], label: &str) -> Attempts {
    let attempt = |(text, answer): &(&str, Option<String>)| Attempt {
        text: (*text).to_owned(),
        correct: Some(answer.as_deref() == Some(label)),
        ..Attempt::default()
    };
    Attempts {
        id: record.id().short(),
        prompt: record.example.prompt_text().unwrap_or_default(),
        attempts: answers.iter().map(attempt).collect(),
    }
}
