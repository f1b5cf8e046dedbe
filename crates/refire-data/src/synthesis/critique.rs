use super::{Asker, Made, Recipe};
use crate::{DataError, Example, Record, Template};

/// Critique and revision against written principles: each round every answer is criticised, and
/// rewritten unless the critique finds nothing. First and last answer make a preference pair.
///
/// ```
/// use refire_core::SamplingParams;
/// use refire_data::{Asker, Critique, Example, Record};
/// # use refire_core::{BoxError, Message, RolloutEngine};
/// # fn encode(messages: &[Message]) -> Result<Vec<u32>, BoxError> {
/// #     Ok(messages.iter().flat_map(|m| m.content.bytes().map(u32::from)).collect())
/// # }
/// # fn with(engine: &mut dyn RolloutEngine) -> Result<(), BoxError> {
/// let mut asker = Asker::new(engine, &encode, SamplingParams::default());
/// let question = Record::new(Example::PromptOnly { prompt: "Which colour has the sky?".into() });
/// let recipe = Critique::new(vec!["Be kind.".to_owned()])?;
/// for revised in recipe.run(&mut asker, &[question])? {
///     // `record` has the last answer, `pair` prefers it to the first one.
///     assert!(revised.pair.is_none() || revised.revisions > 0);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Critique {
    /// What answers must keep to.
    pub principles: Vec<String>,
    /// Asks for an answer; `{question}`.
    pub answer: Template,
    /// Asks for a critique; `{question}`, `{answer}`, `{principles}`. A critique that begins with
    /// `OK` finds nothing.
    pub critique: Template,
    /// Asks for a new answer; `{question}`, `{answer}`, `{critique}`.
    pub revise: Template,
    /// Most rounds.
    pub rounds: usize,
}

/// A question whose answer was improved.
#[derive(Debug, Clone, PartialEq)]
pub struct Revised {
    /// Question and last answer.
    pub record: Record,
    /// Last answer over first one; `None` where the first one stood.
    pub pair: Option<Record>,
    /// Revisions made.
    pub revisions: usize,
    /// Whether a critique found nothing in the end; false where the rounds ran out.
    pub settled: bool,
}

struct State {
    first: String,
    now: String,
    revisions: usize,
    settled: bool,
}

impl Critique {
    /// The usual wordings, with two rounds.
    ///
    /// # Errors
    /// Without a principle.
    pub fn new(principles: Vec<String>) -> Result<Self, DataError> {
        if principles.is_empty() {
            return Err(DataError::Empty { what: "principles" });
        }
        Ok(Self {
            principles,
            answer: Template::new("{question}")?,
            critique: Template::new(
                "Question: {question}\n\nAnswer: {answer}\n\nPrinciples:\n{principles}\n\nSay which \
                 principle the answer breaks, and how. If it breaks none, say OK.",
            )?,
            revise: Template::new(
                "Question: {question}\n\nAnswer: {answer}\n\nCritique: {critique}\n\nRewrite the \
                 answer so that the critique no longer applies.",
            )?,
            rounds: 2,
        })
    }

    /// Answers, criticises and revises. Questions whose first answer was cut off are left out.
    ///
    /// # Errors
    /// When asking fails, or a template names a place it isn't given.
    pub fn run(
        &self,
        asker: &mut Asker<'_>,
        questions: &[Record],
    ) -> Result<Vec<Revised>, DataError> {
        Ok(self.each(asker, questions)?.into_iter().flatten().collect())
    }

    /// `None` for questions whose first answer was cut off.
    fn each(
        &self,
        asker: &mut Asker<'_>,
        questions: &[Record],
    ) -> Result<Vec<Option<Revised>>, DataError> {
        let ids: Vec<u64> = questions.iter().map(|record| record.id().short()).collect();
        let texts: Vec<String> =
            questions.iter().map(|r| r.example.prompt_text().unwrap_or_default()).collect();
        let fill = |template: &Template, at: usize, values: &[(&str, &str)]| {
            let mut all = vec![("question", texts[at].as_str())];
            all.extend(values);
            Ok((ids[at], template.fill(&all)?))
        };
        let asked: Result<Vec<_>, DataError> =
            (0..texts.len()).map(|at| fill(&self.answer, at, &[])).collect();
        let mut states: Vec<State> = asker
            .ask_one(&asked?)?
            .into_iter()
            .map(|now| State { first: now.clone(), settled: now.is_empty(), now, revisions: 0 })
            .collect();
        let principles = self.principles.join("\n");
        for _ in 0..self.rounds {
            let open: Vec<usize> = (0..states.len()).filter(|at| !states[*at].settled).collect();
            let ask = |at: &usize| {
                let values = [("answer", states[*at].now.as_str()), ("principles", &principles)];
                fill(&self.critique, *at, &values)
            };
            let asked = open.iter().map(ask).collect::<Result<Vec<_>, DataError>>()?;
            let critiques = asker.ask_one(&asked)?;
            let mut wanted = Vec::new();
            for (at, critique) in open.into_iter().zip(critiques) {
                if critique.starts_with("OK") {
                    states[at].settled = true;
                } else if !critique.is_empty() {
                    let values = [("answer", states[at].now.as_str()), ("critique", &critique)];
                    wanted.push((at, fill(&self.revise, at, &values)?));
                }
            }
            let (places, asked): (Vec<usize>, Vec<_>) = wanted.into_iter().unzip();
            for (at, revised) in places.into_iter().zip(asker.ask_one(&asked)?) {
                if !revised.is_empty() {
                    states[at].now = revised;
                    states[at].revisions += 1;
                }
            }
        }
        let done = states.into_iter().enumerate().map(|(at, state)| {
            let whole = !state.now.is_empty();
            whole.then(|| revised(&questions[at], &texts[at], state))
        });
        Ok(done.collect())
    }
}

fn revised(record: &Record, question: &str, state: State) -> Revised {
    let State { first, now, revisions, settled } = state;
    let pair = (now != first).then(|| {
        let example = Example::Preference {
            prompt: question.into(),
            chosen: now.clone().into(),
            rejected: first.into(),
        };
        record.derive(example, "synthesis: critique, revise")
    });
    let example = Example::PromptCompletion { prompt: question.into(), completion: now.into() };
    let record = record.derive(example, "synthesis: critique, revise");
    Revised { record, pair, revisions, settled }
}

/// Gives the last answers; [`run`](Critique::run) has the pairs too.
impl Recipe for Critique {
    fn name(&self) -> &str {
        "critique, revise"
    }

    fn make(&mut self, asker: &mut Asker<'_>, records: &[Record]) -> Result<Vec<Made>, DataError> {
        let made = self.each(asker, records)?.into_iter().map(|revised| {
            revised.map(|revised| vec![revised.record]).ok_or("the answer was cut off")
        });
        Ok(made.collect())
    }
}
