use crate::{BoxError, Message};
use serde_json::Value;

/// A chat as tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatTokens {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// Which of them the assistant wrote.
    pub assistant: Vec<bool>,
}

/// How a model reads texts and chats: a tokenizer and a chat template. Data becomes tokens through
/// it, so that training reads what sampling will.
///
/// ```
/// use refire_core::{BoxError, ChatTokens, Message, Role, TextEncoder};
/// use serde_json::Value;
///
/// /// One token per byte; a chat is its words, a line each.
/// struct Bytes;
///
/// impl TextEncoder for Bytes {
///     fn text(&self, text: &str) -> Result<Vec<u32>, BoxError> {
///         Ok(text.bytes().map(u32::from).collect())
///     }
///     fn end_text(&self) -> Option<&str> {
///         None
///     }
///     fn chat(&self, chat: &[Message], _: &[Value], _: bool) -> Result<Vec<u32>, BoxError> {
///         Ok(self.marked_chat(chat, &[])?.tokens)
///     }
///     fn marked_chat(&self, chat: &[Message], _: &[Value]) -> Result<ChatTokens, BoxError> {
///         let mut all = ChatTokens::default();
///         for message in chat {
///             all.tokens.extend(self.text(&format!("{}\n", message.content))?);
///             all.assistant.resize(all.tokens.len(), message.role == Role::Assistant);
///         }
///         Ok(all)
///     }
/// }
///
/// let chat = [Message::new(Role::User, "Hi"), Message::new(Role::Assistant, "Ho")];
/// assert_eq!(Bytes.marked_chat(&chat, &[])?.assistant, [false, false, false, true, true, true]);
/// # Ok::<(), BoxError>(())
/// ```
pub trait TextEncoder: Send + Sync {
    /// The tokens of a plain text, with those that the tokenizer puts around one.
    ///
    /// # Errors
    /// When the text can't be encoded.
    fn text(&self, text: &str) -> Result<Vec<u32>, BoxError>;

    /// What ends a plain text, as text, if the model knows such a thing.
    fn end_text(&self) -> Option<&str>;

    /// The tokens of a chat with the tools it may call (JSON schemas); `open` ends it with the
    /// header of the assistant's next message.
    ///
    /// # Errors
    /// When there is no template, or it refuses the chat.
    fn chat(&self, messages: &[Message], tools: &[Value], open: bool)
    -> Result<Vec<u32>, BoxError>;

    /// The same of a whole chat, and which tokens the assistant wrote.
    ///
    /// # Errors
    /// As [`chat`](Self::chat), and when that can't be told.
    fn marked_chat(&self, messages: &[Message], tools: &[Value]) -> Result<ChatTokens, BoxError>;
}

/// Plain texts by a function, with nothing around them; chats are refused.
///
/// ```
/// use refire_core::{PlainText, TextEncoder};
/// let bytes = PlainText(|text: &str| Ok(text.bytes().map(u32::from).collect()));
/// assert_eq!(bytes.text("5")?, [53]);
/// assert!(bytes.chat(&[], &[], true).is_err());
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct PlainText<F>(pub F);

impl<F> TextEncoder for PlainText<F>
where
    F: Fn(&str) -> Result<Vec<u32>, BoxError> + Send + Sync,
{
    fn text(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        (self.0)(text)
    }

    fn end_text(&self) -> Option<&str> {
        None
    }

    fn chat(&self, _: &[Message], _: &[Value], _: bool) -> Result<Vec<u32>, BoxError> {
        Err("messages need a model's chat template, and this encoder reads texts only".into())
    }

    fn marked_chat(&self, messages: &[Message], tools: &[Value]) -> Result<ChatTokens, BoxError> {
        let tokens = self.chat(messages, tools, false)?;
        Ok(ChatTokens { assistant: vec![false; tokens.len()], tokens })
    }
}
