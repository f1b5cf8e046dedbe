//! GGUF, llama.cpp's format: one file with configuration, tokenizer and quantised weights.
//!
//! The file is turned into what a Hugging Face folder holds: fields of `config.json`, the steps of
//! `tokenizer.json`, and weights in 32 bits with the names and the order of rows that Hugging Face
//! has. Nothing is guessed: a key of the architecture that isn't known is an error.

mod config;
mod cursor;
mod file;
mod keys;
mod names;
mod pre;
mod quants;
mod rope;
mod sentencepiece;
#[cfg(test)]
mod tests;
mod value;
mod vocabulary;
mod weights;

pub use file::{GgufFile, GgufTensor};
pub use quants::GgufType;
pub use value::GgufValue;

use crate::{ChatTemplate, Decoder, GenerationConfig, ModelConfig, ModelError, Tokenizer};
use burn::tensor::Device;
use refire_objective::Dtype;

impl GgufFile {
    /// The configuration, as a Hugging Face folder would have it.
    ///
    /// What a file doesn't say is what llama.cpp assumes for the architecture.
    ///
    /// # Errors
    /// For an architecture, a key or a value that isn't supported, and for keys that are missing;
    /// the key is named.
    pub fn config(&self) -> Result<ModelConfig, ModelError> {
        config::config(self)
    }

    /// The weights in a number format of choice.
    ///
    /// Each tensor is dequantised once, straight into the buffer that the model keeps; rounding to
    /// half formats comes after.
    ///
    /// # Errors
    /// For tensors that are missing, of another shape, or not part of the model; the tensor is
    /// named.
    pub fn decoder(
        &self,
        config: &ModelConfig,
        device: &Device,
        dtype: Dtype,
    ) -> Result<Decoder, ModelError> {
        weights::decoder(self, config, device, dtype)
    }

    /// Text files that a Hugging Face folder would have beside the weights, by name:
    /// `tokenizer.json`, `tokenizer_config.json`, `generation_config.json` and the chat templates.
    ///
    /// # Errors
    /// For a kind of vocabulary or a way to cut text that isn't known, and for keys that are
    /// missing; the key is named.
    pub fn text_files(&self) -> Result<Vec<(String, String)>, ModelError> {
        vocabulary::text_files(self)
    }
}

/// What has to do with text in a model.
pub(crate) struct Text {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) chat: Option<ChatTemplate>,
    pub(crate) generation: GenerationConfig,
}

/// Reads a folder's text files from memory.
pub(crate) fn text(file: &GgufFile, files: &[(String, String)]) -> Result<Text, ModelError> {
    let find = |name: &str| files.iter().find(|(n, _)| n == name).map_or("{}", |(_, t)| t);
    let config = find("tokenizer_config.json");
    let tokenizer = Tokenizer::from_texts(find("tokenizer.json"), config, file.path())?;
    let generation = serde_json::from_str(find("generation_config.json"));
    let generation = generation.map_err(ModelError::json(file.path()))?;
    let templates = files.iter().filter_map(|(name, text)| {
        let name = match name.strip_prefix("additional_chat_templates/") {
            Some(name) => name.strip_suffix(".jinja")?,
            None => (name == "chat_template.jinja").then_some("default")?,
        };
        Some((name.to_owned(), text.clone()))
    });
    let templates: Vec<_> = templates.collect();
    let chat = match templates.is_empty() {
        true => None,
        false => {
            let chat = ChatTemplate::from_sources(templates)?;
            let roles = tokenizer.special_tokens().iter();
            Some(roles.fold(chat, |chat, (role, token)| chat.with_special_token(role, token)))
        }
    };
    Ok(Text { tokenizer, chat, generation })
}
