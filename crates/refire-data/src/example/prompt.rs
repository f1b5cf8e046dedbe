use super::{Content, Example, Record};
use crate::DataError;
use refire_core::{BoxError, Prompt, Role};

impl Record {
    /// This record as a prompt for rollouts: its question, its reference answer, and its extra
    /// columns as `meta`. `encode` renders and tokenises the question.
    ///
    /// ```
    /// use refire_data::{Content, Example, Record};
    /// let record = Record::new(Example::Verifiable {
    ///     prompt: "2 + 3?".into(), answer: "5".into(), verifier: String::new(),
    /// });
    /// let bytes = |content: &Content| Ok(content.text().bytes().map(u32::from).collect());
    /// let prompt = record.to_prompt(&bytes)?;
    /// assert_eq!((prompt.tokens.len(), prompt.answer.as_deref()), (6, Some("5")));
    /// # Ok::<(), refire_data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// When the record has no question apart, or `encode` fails.
    pub fn to_prompt(
        &self,
        encode: &dyn Fn(&Content) -> Result<Vec<u32>, BoxError>,
    ) -> Result<Prompt, DataError> {
        let (content, answer) = match &self.example {
            Example::Verifiable { prompt, answer, .. } => (prompt.clone(), Some(answer.clone())),
            Example::PromptOnly { prompt }
            | Example::PromptCompletion { prompt, .. }
            | Example::Preference { prompt, .. }
            | Example::Unpaired { prompt, .. } => (prompt.clone(), None),
            Example::Stepwise { prompt, .. } => (prompt.clone().into(), None),
            Example::LanguageModelling { .. } | Example::ImplicitPreference { .. } => {
                let reason = "its question is not apart from the answer".to_owned();
                let from = self.example.kind().name();
                return Err(DataError::Convert { from, to: "a prompt", reason });
            }
        };
        let tokens = encode(&content)
            .map_err(|source| DataError::Caller { what: "the encoder of prompts", source })?;
        let messages = match &content {
            Content::Text(_) => Vec::new(),
            chat @ Content::Messages(_) => chat.to_messages(&Role::User),
        };
        Ok(Prompt {
            id: self.id().short(),
            tokens,
            text: content.text().into_owned(),
            messages,
            answer,
            meta: self.extra.clone(),
        })
    }
}
