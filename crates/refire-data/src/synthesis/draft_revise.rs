use super::Asker;
use crate::{DataError, Example, Record, Template};

/// Draft, ground, revise (VideoRFT): a model that sees only the question drafts a chain of thought;
/// then one that sees the full context mends it. Text stands here for what was a video there.
#[derive(Debug, Clone)]
pub struct DraftRevise {
    /// Asks for the draft; `{question}`.
    pub draft: Template,
    /// Asks for the mended thought; `{question}`, `{context}`, `{draft}`.
    pub revise: Template,
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
        let text = |record: &Record| record.example.prompt_text().unwrap_or_default();
        let mut asked = Vec::new();
        for (record, _) in questions {
            asked.push((record.id().short(), self.draft.fill(&[("question", &text(record))])?));
        }
        let drafts = asker.ask_one(&asked)?;
        let (mut revisions, mut of) = (Vec::new(), Vec::new());
        for ((record, context), draft) in questions.iter().zip(&drafts) {
            if draft.is_empty() {
                continue;
            }
            let question = text(record);
            let values = [("question", question.as_str()), ("context", context), ("draft", draft)];
            revisions.push((record.id().short(), self.revise.fill(&values)?));
            of.push(record);
        }
        let revised = asker.ask_one(&revisions)?;
        let good = of
            .into_iter()
            .zip(revised)
            .filter(|(record, thought)| !thought.is_empty() && accept(record, thought));
        let made = good.map(|(record, thought)| {
            let prompt = text(record).into();
            let example = Example::PromptCompletion { prompt, completion: thought.into() };
            record.derive(example, "synthesis: draft, ground, revise")
        });
        Ok(made.collect())
    }
}
