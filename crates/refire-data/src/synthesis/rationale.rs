use super::{Asker, Made, Recipe};
use crate::{DataError, Example, Record};
use refire_core::{BoxError, Message, Purpose, Role, Stateful, Stream, decode_state, encode_state};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A rationale, and how well it explains the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Held {
    rationale: String,
    /// `log p(answer | question, rationale)`, at most 0.
    loglik: f64,
}

/// What a step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Rationales proposed.
    pub proposed: usize,
    /// Rationales that took a place in the memory.
    pub accepted: usize,
}

/// TRICE's memory (Phan et al., arXiv 2312.02179): one rationale a question, updated as a Markov
/// chain whose law is `p(rationale | question, answer)`. A new rationale `z'` is drawn from the
/// model given the question alone, and replaces the old one with probability
/// `min(1, p(answer | z') / p(answer | z))`. With a verifier that says right or wrong, a right
/// rationale always replaces and a wrong one never does (once a right one is held).
///
/// The memory is saved state: its chains are long, and a run that forgets them starts over.
///
/// ```
/// use refire_core::SamplingParams;
/// use refire_data::{Asker, RationaleMemory};
/// # use refire_core::{BoxError, Message, RolloutEngine};
/// # fn encode(messages: &[Message]) -> Result<Vec<u32>, BoxError> {
/// #     Ok(messages.iter().flat_map(|m| m.content.bytes().map(u32::from)).collect())
/// # }
/// # fn with(engine: &mut dyn RolloutEngine) -> Result<(), BoxError> {
/// let mut asker = Asker::new(engine, &encode, SamplingParams::default());
/// let mut memory = RationaleMemory::new(0);
/// // 0 for a rationale that comes to the right answer.
/// let loglik = |_: u64, rationale: &str| match rationale.ends_with('5') {
///     true => 0.0,
///     false => f64::NEG_INFINITY,
/// };
/// let step = memory.step(&mut asker, &[(7, "2 + 3?".to_owned())], &loglik)?;
/// assert_eq!(memory.get(7).is_some(), step.accepted == 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct RationaleMemory {
    seed: u64,
    memory: Memory,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Memory {
    held: BTreeMap<u64, Held>,
    steps: u64,
}

impl RationaleMemory {
    /// An empty memory.
    pub fn new(seed: u64) -> Self {
        Self { seed, memory: Memory::default() }
    }

    /// The rationale held for a question.
    pub fn get(&self, id: u64) -> Option<&str> {
        self.memory.held.get(&id).map(|held| held.rationale.as_str())
    }

    /// Proposes a rationale for each question (id, text) and accepts or rejects it; `loglik` judges
    /// a rationale: `log p(answer | question, rationale)`, or 0 for right and `-inf` for wrong.
    /// The first rationale of a question is taken if its likelihood isn't 0.
    ///
    /// # Errors
    /// When asking fails, or a likelihood is above 0 or not a number.
    pub fn step(
        &mut self,
        asker: &mut Asker<'_>,
        questions: &[(u64, String)],
        loglik: &dyn Fn(u64, &str) -> f64,
    ) -> Result<Step, DataError> {
        let ask = |(id, text): &(u64, String)| (*id, vec![Message::new(Role::User, text.clone())]);
        let asked: Vec<_> = questions.iter().map(ask).collect();
        let answers = asker.ask(&asked, 1)?;
        let mut done = Step::default();
        for ((id, _), answer) in questions.iter().zip(answers) {
            let Some(proposal) = answer.into_iter().next().filter(|c| !c.is_truncated()) else {
                continue;
            };
            let new = loglik(*id, &proposal.text);
            if new.is_nan() || new > 0.0 {
                return Err(DataError::out_of_range("loglik", new, "at most 0"));
            }
            done.proposed += 1;
            if self.accepts(*id, new) {
                done.accepted += 1;
                self.memory.held.insert(*id, Held { rationale: proposal.text, loglik: new });
            }
        }
        self.memory.steps += 1;
        Ok(done)
    }

    fn accepts(&self, id: u64, new: f64) -> bool {
        if new == f64::NEG_INFINITY {
            return false;
        }
        let Some(old) = self.memory.held.get(&id) else { return true };
        let mut draw =
            Stream::new(self.seed, Purpose::named("rationale"), self.memory.steps, id, 0);
        draw.uniform() < (new - old.loglik).exp()
    }
}

impl Stateful for RationaleMemory {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&self.memory)
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.memory = decode_state("RationaleMemory", state)?;
        Ok(())
    }
}

/// The memory with a function that judges a rationale for a record, as [`RationaleMemory::step`]
/// has it; a record becomes its question with the rationale that is then held.
impl<F: Fn(&Record, &str) -> f64> Recipe for (RationaleMemory, F) {
    fn name(&self) -> &str {
        "rationales"
    }

    fn make(&mut self, asker: &mut Asker<'_>, records: &[Record]) -> Result<Vec<Made>, DataError> {
        let (memory, judge) = self;
        let text = |record: &Record| record.example.prompt_text().unwrap_or_default();
        let of: BTreeMap<u64, &Record> = records.iter().map(|r| (r.id().short(), r)).collect();
        let questions: Vec<_> = records.iter().map(|r| (r.id().short(), text(r))).collect();
        let loglik = |id: u64, rationale: &str| {
            of.get(&id).map_or(f64::NEG_INFINITY, |record| judge(record, rationale))
        };
        memory.step(asker, &questions, &loglik)?;
        let made = records.iter().map(|record| {
            let held = memory.get(record.id().short()).ok_or("no rationale explains the answer")?;
            let example =
                Example::PromptCompletion { prompt: text(record).into(), completion: held.into() };
            Ok(vec![record.derive(example, "synthesis: rationale")])
        });
        Ok(made.collect())
    }

    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.0.state()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.0.restore(state)
    }
}
