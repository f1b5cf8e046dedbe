use super::{Asker, Made, Recipe};
use crate::{DataError, Example, Record, Template, equations};

/// Guidance only (SGFT): an understanding of the question and the steps to take, without doing
/// them. A small model trained on guidance can lead another one that answers.
///
/// ```
/// use refire_core::SamplingParams;
/// use refire_data::{Asker, Example, Guidance, Record, equations};
/// # use refire_core::{BoxError, Message, RolloutEngine};
/// # fn encode(messages: &[Message]) -> Result<Vec<u32>, BoxError> {
/// #     Ok(messages.iter().flat_map(|m| m.content.bytes().map(u32::from)).collect())
/// # }
/// # fn with(engine: &mut dyn RolloutEngine) -> Result<(), BoxError> {
/// let mut asker = Asker::new(engine, &encode, SamplingParams::default());
/// let question = Record::new(Example::Verifiable {
///     prompt: "2 + 3?".into(), answer: "5".into(), verifier: String::new(),
/// });
/// let made = Guidance::new()?.run(&mut asker, &[question])?;
/// // Guidance that says "2 + 3 = 5" is turned down.
/// let guidance = made.first().and_then(|record| record.example.response_text());
/// assert!(equations(&guidance.unwrap_or_default()).is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Guidance {
    /// Asks for the guidance; `{question}`.
    pub ask: Template,
    /// Turn down guidance that calculates: that has an equation with its result.
    pub no_arithmetic: bool,
}

impl Guidance {
    /// The usual wording.
    ///
    /// # Errors
    /// Never for this template.
    pub fn new() -> Result<Self, DataError> {
        let ask = Template::new(
            "Say in a few lines what this question asks for and which steps lead to the answer. Do \
             not carry them out.\n\n{question}",
        )?;
        Ok(Self { ask, no_arithmetic: true })
    }

    /// One record of question and guidance for each question whose guidance was whole, keeps to the
    /// rule and doesn't give the reference answer away.
    ///
    /// # Errors
    /// When asking fails, or the template names a place it isn't given.
    pub fn run(
        &self,
        asker: &mut Asker<'_>,
        questions: &[Record],
    ) -> Result<Vec<Record>, DataError> {
        Ok(self.each(asker, questions)?.into_iter().filter_map(Result::ok).flatten().collect())
    }

    fn each(&self, asker: &mut Asker<'_>, questions: &[Record]) -> Result<Vec<Made>, DataError> {
        let text = |record: &Record| record.example.prompt_text().unwrap_or_default();
        let mut asked = Vec::new();
        for record in questions {
            asked.push((record.id().short(), self.ask.fill(&[("question", &text(record))])?));
        }
        let written = questions.iter().zip(asker.ask_one(&asked)?);
        let made = written.map(|(record, guidance)| {
            if let Some(reason) = self.fault(record, &guidance) {
                return Err(reason);
            }
            let example = Example::PromptCompletion {
                prompt: text(record).into(),
                completion: guidance.into(),
            };
            Ok(vec![record.derive(example, "synthesis: guidance")])
        });
        Ok(made.collect())
    }

    /// What is wrong with guidance.
    fn fault(&self, record: &Record, guidance: &str) -> Option<&'static str> {
        let answer = match &record.example {
            Example::Verifiable { answer, .. } => answer.as_str(),
            _ => "",
        };
        // The answer may be a number of the question itself.
        let question = record.example.prompt_text().unwrap_or_default();
        let word = |text: &str| {
            !answer.is_empty()
                && text.split(|c: char| !c.is_alphanumeric() && c != '.').any(|w| w == answer)
        };
        if guidance.is_empty() {
            Some("the guidance was cut off")
        } else if self.no_arithmetic && !equations(guidance).is_empty() {
            Some("the guidance calculates")
        } else if word(guidance) && !word(&question) {
            Some("the guidance tells the answer")
        } else {
            None
        }
    }
}

impl Recipe for Guidance {
    fn name(&self) -> &str {
        "guidance"
    }
    fn make(&mut self, asker: &mut Asker<'_>, records: &[Record]) -> Result<Vec<Made>, DataError> {
        self.each(asker, records)
    }
}
