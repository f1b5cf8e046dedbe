//! Question and answer, tokenised together.

use crate::{Content, DataError};
use refire_core::{BoxError, TextEncoder};
use serde_json::Value;

/// Tokens of a question and of answers to it.
pub(super) struct Split {
    pub(super) prompt: Vec<u32>,
    pub(super) completions: Vec<Vec<u32>>,
    /// The answers' tokens begin before the question's end: the two were merged there, or the
    /// template renders a question with its answer otherwise than alone.
    pub(super) merged: bool,
}

/// The question's tokens are those that all of them have in common with the question alone.
pub(super) fn split(
    encoder: &dyn TextEncoder,
    tools: &[Value],
    prompt: &Content,
    completions: &[&Content],
) -> Result<Split, DataError> {
    let mut alone = opening(encoder, tools, prompt).map_err(failed)?;
    let whole = |completion: &&Content| whole(encoder, tools, &prompt.join(completion)?);
    let mut completions = completions.iter().map(whole).collect::<Result<Vec<_>, _>>()?;
    let common = |tokens: &Vec<u32>| alone.iter().zip(tokens).take_while(|(a, b)| a == b).count();
    let length = completions.iter().map(common).min().unwrap_or(alone.len());
    let merged = length < alone.len();
    alone.truncate(length);
    for tokens in &mut completions {
        tokens.drain(..length);
    }
    Ok(Split { prompt: alone, completions, merged })
}

/// A question as the model is asked it: a chat ends with the header of the answer.
pub(super) fn opening(
    encoder: &dyn TextEncoder,
    tools: &[Value],
    prompt: &Content,
) -> Result<Vec<u32>, BoxError> {
    match prompt {
        Content::Text(text) => encoder.text(text),
        Content::Messages(messages) => encoder.chat(messages, tools, true),
    }
}

/// A text to its end, or a chat.
pub(super) fn whole(
    encoder: &dyn TextEncoder,
    tools: &[Value],
    content: &Content,
) -> Result<Vec<u32>, DataError> {
    match content {
        Content::Text(text) => match encoder.end_text().filter(|end| !text.ends_with(end)) {
            Some(end) => encoder.text(&format!("{text}{end}")),
            None => encoder.text(text),
        },
        Content::Messages(messages) => encoder.chat(messages, tools, false),
    }
    .map_err(failed)
}

pub(super) fn failed(source: BoxError) -> DataError {
    DataError::Caller { what: "the encoder of records", source }
}
