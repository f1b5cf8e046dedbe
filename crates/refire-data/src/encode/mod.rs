//! From records to what trainers read: tokens, and which of them are learned.
//!
//! As TRL's trainers prepare data: a text ends with the model's end-of-text, a chat is rendered by
//! its template, question and answer are tokenised together, and the answer begins where the tokens
//! of both first differ from those of the question alone.

mod all;
mod preference;
mod prompt;
mod row;
mod split;
mod tokens;

pub use all::{EncodeReport, Encoded, LeftOut, encode_preferences, encode_prompts, encode_rows};

use crate::DataError;
use serde::{Deserialize, Serialize};

/// What of a record is learned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learn {
    /// The answer, where it is apart from the question; what the assistant wrote, in a whole chat;
    /// all of a plain text. (TRL learns all of a chat unless `assistant_only_loss` is set.)
    #[default]
    Reply,
    /// What the assistant wrote, also in the question's part of a chat; otherwise as `Reply`.
    Assistant,
    /// Everything.
    Everything,
}

/// What becomes of a row with more tokens than there may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TooLong {
    /// It is left out, and named in the report.
    #[default]
    LeaveOut,
    /// Its end is cut off, and the report counts it. Left out if nothing that is learned remains, and
    /// if it is a question.
    Cut,
}

/// How records become tokens.
///
/// ```
/// let config: refire_data::EncodeConfig = serde_json::from_str(r#"{"max_tokens": 2048}"#)?;
/// assert_eq!(config.learn, refire_data::Learn::Reply);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncodeConfig {
    /// What of a record is learned.
    pub learn: Learn,
    /// Most tokens of a row; of a preference, of its prompt with either answer; of a prompt. `None`:
    /// any number.
    pub max_tokens: Option<usize>,
    /// What becomes of longer ones.
    pub too_long: TooLong,
}

impl EncodeConfig {
    /// Checks the limit.
    ///
    /// # Errors
    /// When no token may be left to learn.
    pub fn validate(&self) -> Result<(), DataError> {
        match self.max_tokens {
            Some(n) if n < 2 => Err(DataError::out_of_range("max_tokens", n, "at least 2")),
            _ => Ok(()),
        }
    }
}
