//! A conversation as training reads it: text, tokens, and which of them the assistant wrote.

use super::{ChatTemplate, ChatValue, RenderOptions};
use crate::{ModelError, Tokenizer};
use minijinja::Value;
use refire_core::{ChatTokens, Message};
use std::ops::Range;

/// A rendered conversation, and where in it the assistant speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedText {
    /// The text.
    pub text: String,
    /// Byte ranges of what the assistant wrote, in order.
    pub assistant: Vec<Range<usize>>,
}

impl ChatTemplate {
    /// Renders messages, and says where the assistant speaks.
    ///
    /// A template with `{% generation %}` blocks says so itself. For others the answer comes from
    /// prefixes, as in TRL: what follows the conversation before a message, rendered with
    /// `add_generation_prompt`, up to the end of the conversation with it.
    ///
    /// ```
    /// use refire_core::{Message, Role};
    /// use refire_model::{ChatTemplate, RenderOptions};
    ///
    /// let template = ChatTemplate::new(
    ///     "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}\
    ///      {% if add_generation_prompt %}<assistant>{% endif %}",
    /// )?;
    /// let messages = [Message::new(Role::User, "Hi"), Message::new(Role::Assistant, "Hello!")];
    /// let marked = template.render_marked(&messages, &RenderOptions::default())?;
    /// assert_eq!(&marked.text[marked.assistant[0].clone()], "Hello!</s>");
    /// # Ok::<(), refire_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`render`](Self::render); and without generation blocks, when a conversation's
    /// beginning isn't rendered as the beginning of the whole (templates that drop earlier
    /// reasoning do this): the message is named. Such a model needs a template with generation
    /// blocks to be trained on.
    pub fn render_marked(
        &self,
        messages: &[Message],
        options: &RenderOptions,
    ) -> Result<MarkedText, ModelError> {
        self.render_value_marked(&ChatValue::from(messages), options)
    }

    /// As [`render_marked`](Self::render_marked), for messages of any shape.
    ///
    /// # Errors
    /// Those of [`render_marked`](Self::render_marked).
    pub fn render_value_marked(
        &self,
        messages: &ChatValue,
        options: &RenderOptions,
    ) -> Result<MarkedText, ModelError> {
        let name = self.select(options)?;
        let (text, assistant) = self.run(name, messages, options)?;
        if self.marks_assistant(name) {
            return Ok(MarkedText { text, assistant });
        }
        let assistant = self.prefixes(name, messages, options, &text)?;
        Ok(MarkedText { text, assistant })
    }

    /// A conversation's tokens, and which of them the assistant wrote: those that overlap its
    /// part of the text, as in transformers. No token is added to what the template writes.
    ///
    /// # Errors
    /// Those of [`render_marked`](Self::render_marked), and [`ModelError::Tokenizer`].
    pub fn tokenize(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        options: &RenderOptions,
    ) -> Result<ChatTokens, ModelError> {
        let marked = self.render_marked(messages, options)?;
        marked.tokenize(tokenizer)
    }

    /// The assistant's parts of a text whose template doesn't mark them.
    fn prefixes(
        &self,
        name: &str,
        messages: &ChatValue,
        options: &RenderOptions,
        text: &str,
    ) -> Result<Vec<Range<usize>>, ModelError> {
        // What can't be listed was refused by the template already, or has no messages.
        let all: Vec<Value> = messages.0.try_iter().map(Iterator::collect).unwrap_or_default();
        let beginning = |count: usize, add_generation_prompt| {
            let options = RenderOptions { add_generation_prompt, ..options.clone() };
            let part = ChatValue(all[..count].iter().cloned().collect());
            let (part, _) = self.run(name, &part, &options)?;
            match text.starts_with(&part) {
                true => Ok(part.len()),
                false => Err(super::reason(
                    name,
                    format!(
                        "the first {count} of {} messages are rendered otherwise alone than at \
                         the beginning of the whole, so what the assistant wrote can't be told; \
                         mark it with `{{% generation %}}` in the template",
                        all.len()
                    ),
                )),
            }
        };
        let spoken = (0..all.len()).filter(|index| {
            let role = all[*index].get_attr("role").ok();
            role.is_some_and(|role| role.as_str() == Some("assistant"))
        });
        spoken.map(|i| Ok(beginning(i, true)?..beginning(i + 1, false)?)).collect()
    }
}

impl MarkedText {
    /// The text's tokens, and which of them overlap what the assistant wrote.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] when the tokenizer fails.
    pub fn tokenize(&self, tokenizer: &Tokenizer) -> Result<ChatTokens, ModelError> {
        let (tokens, places) = tokenizer.encode_rendered_with_places(&self.text)?;
        let inside = |place: &Range<usize>| {
            self.assistant.iter().any(|span| place.start < span.end && span.start < place.end)
        };
        let assistant = places.iter().map(inside).collect();
        Ok(ChatTokens { tokens, assistant })
    }
}
