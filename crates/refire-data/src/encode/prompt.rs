use super::EncodeConfig;
use super::split::{failed, opening};
use super::tokens::{TOO_LONG, Tokens};
use crate::{Content, DataError, Example, Record};
use refire_core::{Prompt, Role, TextEncoder};

impl Record {
    /// This record as a prompt for rollouts: its question as the model is asked it, its reference
    /// answer, and its extra columns as `meta`.
    ///
    /// ```
    /// use refire_core::PlainText;
    /// use refire_data::{Example, Record};
    /// let bytes = PlainText(|text: &str| Ok(text.bytes().map(u32::from).collect()));
    /// let record = Record::new(Example::Verifiable {
    ///     prompt: "2 + 3?".into(), answer: "5".into(), verifier: String::new(),
    /// });
    /// let prompt = record.encode_prompt(&bytes)?;
    /// assert_eq!((prompt.tokens.len(), prompt.answer.as_deref()), (6, Some("5")));
    /// # Ok::<(), refire_data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// When the record has no question apart, or the encoder fails.
    pub fn encode_prompt(&self, encoder: &dyn TextEncoder) -> Result<Prompt, DataError> {
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
        let tokens = opening(encoder, &self.tools, &content).map_err(failed)?;
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

    /// Nothing of a question can be cut off.
    pub(super) fn prompt(
        &self,
        encoder: &dyn TextEncoder,
        config: &EncodeConfig,
    ) -> Result<Tokens<Prompt>, DataError> {
        let prompt = self.encode_prompt(encoder)?;
        let fits = config.max_tokens.is_none_or(|limit| prompt.tokens.len() <= limit);
        Ok(if fits { Tokens::whole(prompt) } else { Tokens::left_out(TOO_LONG) })
    }
}
