use super::{ChatTemplate, ChatValue, RenderOptions, Tokenizer};
use crate::ModelError;
use refire_core::{BoxError, ChatTokens, Message, TextEncoder};
use serde_json::Value;

/// A model's tokenizer and chat template as one, for what turns records into training rows.
///
/// Plain texts get the special tokens that the tokenizer puts around them; a chat gets none beside
/// those its template writes: as in transformers and TRL.
#[derive(Debug, Clone)]
pub struct ModelEncoder<'a> {
    tokenizer: &'a Tokenizer,
    chat: Option<&'a ChatTemplate>,
    options: RenderOptions,
}

impl<'a> ModelEncoder<'a> {
    /// Of a tokenizer, and of a template where there is one.
    pub fn new(tokenizer: &'a Tokenizer, chat: Option<&'a ChatTemplate>) -> Self {
        Self { tokenizer, chat, options: RenderOptions::default() }
    }

    /// What the template sees beside the messages and their tools, such as `enable_thinking`.
    #[must_use]
    pub fn with_options(mut self, options: RenderOptions) -> Self {
        self.options = options;
        self
    }

    fn template(&self) -> Result<&'a ChatTemplate, ModelError> {
        self.chat.ok_or_else(|| ModelError::ChatTemplate {
            template: "default".to_owned(),
            reason: "the model has no chat template, which messages need".to_owned(),
        })
    }

    fn options(&self, tools: &[Value], open: bool) -> Result<RenderOptions, BoxError> {
        let mut options = RenderOptions { add_generation_prompt: open, ..self.options.clone() };
        if !tools.is_empty() {
            options.tools = Some(serde_json::from_value::<ChatValue>(tools.into())?);
        }
        Ok(options)
    }
}

impl TextEncoder for ModelEncoder<'_> {
    fn text(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        Ok(self.tokenizer.encode(text, true)?)
    }

    fn end_text(&self) -> Option<&str> {
        self.tokenizer.special_tokens().get("eos_token").map(String::as_str)
    }

    fn chat(
        &self,
        messages: &[Message],
        tools: &[Value],
        open: bool,
    ) -> Result<Vec<u32>, BoxError> {
        let text = self.template()?.render(messages, &self.options(tools, open)?)?;
        Ok(self.tokenizer.encode_rendered(&text)?)
    }

    fn marked_chat(&self, messages: &[Message], tools: &[Value]) -> Result<ChatTokens, BoxError> {
        let options = self.options(tools, false)?;
        Ok(self.template()?.tokenize(self.tokenizer, messages, &options)?)
    }
}
