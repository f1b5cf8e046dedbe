use crate::DataError;
use refire_core::{Message, Role};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A piece of a record: plain text (TRL's "standard" format), or messages of a chat
/// ("conversational").
///
/// ```
/// use refire_data::Content;
/// let prompt = Content::from("2 + 3 = ");
/// assert_eq!(prompt.join(&Content::from("5"))?.text(), "2 + 3 = 5");
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// A chat, or a part of one.
    Messages(Vec<Message>),
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<Message>> for Content {
    fn from(messages: Vec<Message>) -> Self {
        Self::Messages(messages)
    }
}

impl Content {
    /// What is said, without roles: the text, or the contents of the messages, one a line.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Messages(messages) => match messages.as_slice() {
                [one] => Cow::Borrowed(&one.content),
                many => Cow::Owned(
                    many.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n"),
                ),
            },
        }
    }

    /// True without a character of text and without a tool call.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Messages(messages) => {
                messages.iter().all(|m| m.content.is_empty() && m.tool_calls.is_empty())
            }
        }
    }

    /// True for messages.
    pub fn is_messages(&self) -> bool {
        matches!(self, Self::Messages(_))
    }

    /// This followed by `next`: texts are concatenated as they are, messages appended.
    ///
    /// # Errors
    /// When one is text and the other messages.
    pub fn join(&self, next: &Self) -> Result<Self, DataError> {
        match (self, next) {
            (Self::Text(a), Self::Text(b)) => Ok(Self::Text(format!("{a}{b}"))),
            (Self::Messages(a), Self::Messages(b)) => {
                Ok(Self::Messages(a.iter().chain(b).cloned().collect()))
            }
            _ => Err(DataError::Convert {
                from: "text",
                to: "messages",
                reason: "one part is text, the other messages".to_owned(),
            }),
        }
    }

    /// As messages: text becomes one message of the given role.
    pub fn to_messages(&self, role: &Role) -> Vec<Message> {
        match self {
            Self::Text(text) => vec![Message::new(role.clone(), text.clone())],
            Self::Messages(messages) => messages.clone(),
        }
    }
}
