use super::{Asker, Made, Recipe};
use crate::{DataError, Example, Record, Template};

/// Draft, ground, revise (VideoRFT): a model that sees only the question drafts a chain of thought;
/// then one that sees the full context mends it. Text stands here for what was a video there. As a
/// [`Recipe`] it reads the context from the extra column [`context`](Self::context).
///
/// ```
/// use refire_core::SamplingParams;
/// use refire_data::{Asker, DraftRevise, Example, Record};
/// # use refire_core::{BoxError, Message, RolloutEngine};
/// # fn encode(messages: &[Message]) -> Result<Vec<u32>, BoxError> {
/// #     Ok(messages.iter().flat_map(|m| m.content.bytes().map(u32::from)).collect())
/// # }
/// # fn with(engine: &mut dyn RolloutEngine) -> Result<(), BoxError> {
/// let mut asker = Asker::new(engine, &encode, SamplingParams::default());
/// let question = Record::new(Example::PromptOnly { prompt: "Which colour has the sky?".into() });
/// let facts = "It is night.".to_owned();
/// let accept = |_: &Record, thought: &str| thought.contains("night");
/// let made = DraftRevise::new()?.run(&mut asker, &[(question, facts)], &accept)?;
/// // At most one record of question and mended thought.
/// assert!(made.iter().all(|record| record.example.full_text().contains("night")));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DraftRevise {
    /// Asks for the draft; `{question}`.
    pub draft: Template,
    /// Asks for the mended thought; `{question}`, `{context}`, `{draft}`.
    pub revise: Template,
    /// Extra column that holds the context, `context` by default.
    pub context: String,
}

impl DraftRevise {
    /// The usual wordings.
    ///
    /// # Errors
    /// Never for these templates.
    pub fn new() -> Result<Self, DataError> {
        Ok(Self {
            draft: Template::new("Think step by step about this question.\n\n{question}")?,
            revise: Template::new(
                "Question: {question}\n\nFacts: {context}\n\nA draft of the reasoning, written \
                 without the facts:\n{draft}\n\nRewrite the reasoning so that every step agrees \
                 with the facts.",
            )?,
            context: "context".to_owned(),
        })
    }

    /// One prompt–completion record for each question (record, context) whose draft and revision
    /// were whole and pass `accept`; the history says how it came about.
    ///
    /// # Errors
    /// When asking fails, or a template names a place it isn't given.
    pub fn run(
        &self,
        asker: &mut Asker<'_>,
        questions: &[(Record, String)],
        accept: &dyn Fn(&Record, &str) -> bool,
    ) -> Result<Vec<Record>, DataError> {
        let questions: Vec<_> = questions.iter().map(|(record, c)| (record, c.as_str())).collect();
        let made = self.each(asker, &questions, accept)?;
        Ok(made.into_iter().filter_map(Result::ok).flatten().collect())
    }

    fn each(
        &self,
        asker: &mut Asker<'_>,
        questions: &[(&Record, &str)],
        accept: &dyn Fn(&Record, &str) -> bool,
    ) -> Result<Vec<Made>, DataError> {
        let text = |record: &Record| record.example.prompt_text().unwrap_or_default();
        let mut asked = Vec::new();
        for (record, _) in questions {
            asked.push((record.id().short(), self.draft.fill(&[("question", &text(record))])?));
        }
        let drafts = asker.ask_one(&asked)?;
        let mut made: Vec<Made> = vec![Err("the draft was cut off"); questions.len()];
        let (mut revisions, mut of) = (Vec::new(), Vec::new());
        for (at, ((record, context), draft)) in questions.iter().zip(&drafts).enumerate() {
            if draft.is_empty() {
                continue;
            }
            let question = text(record);
            let values = [("question", question.as_str()), ("context", context), ("draft", draft)];
            revisions.push((record.id().short(), self.revise.fill(&values)?));
            of.push(at);
        }
        for (at, thought) in of.into_iter().zip(asker.ask_one(&revisions)?) {
            let record = questions[at].0;
            made[at] = if thought.is_empty() {
                Err("the revision was cut off")
            } else if !accept(record, &thought) {
                Err("the revision was not accepted")
            } else {
                let prompt = text(record).into();
                let example = Example::PromptCompletion { prompt, completion: thought.into() };
                Ok(vec![record.derive(example, "synthesis: draft, ground, revise")])
            };
        }
        Ok(made)
    }
}

/// Takes every revision; a stage behind it may judge them.
impl Recipe for DraftRevise {
    fn name(&self) -> &str {
        "draft, ground, revise"
    }

    fn make(&mut self, asker: &mut Asker<'_>, records: &[Record]) -> Result<Vec<Made>, DataError> {
        let context = |record: &Record| {
            let text = record.extra.get(&self.context).and_then(serde_json::Value::as_str);
            text.map(str::to_owned)
        };
        let contexts: Vec<Option<String>> = records.iter().map(context).collect();
        let known = records.iter().zip(&contexts).filter_map(|(r, c)| Some((r, c.as_deref()?)));
        let known: Vec<_> = known.collect();
        let mut made = self.each(asker, &known, &|_, _| true)?.into_iter();
        let of = |context: &Option<String>| match context {
            Some(_) => made.next().unwrap_or(Err("nothing came back")),
            None => Err("there is no context"),
        };
        Ok(contexts.iter().map(of).collect())
    }
}
