//! Text in and out: tokenizer, streaming decoder, chat template, generation settings.

mod chat;
mod codec;
mod encoder;
mod generation;
mod special;
mod stream;
mod tokenizer;

pub use chat::{ChatTemplate, ChatValue, DateTime, MarkedText, RenderOptions};
pub use codec::TextCodec;
pub use encoder::ModelEncoder;
pub use generation::GenerationConfig;
pub use stream::DecodeStream;
pub use tokenizer::Tokenizer;

use crate::ModelError;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::path::Path;

/// Reads a JSON file; `None` when there is no such file.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ModelError> {
    match read_text(path)? {
        Some(text) => serde_json::from_str(&text).map(Some).map_err(ModelError::json(path)),
        None => Ok(None),
    }
}

/// Reads a text file; `None` when there is no such file.
fn read_text(path: &Path) -> Result<Option<String>, ModelError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ModelError::io(path)(error)),
    }
}
