//! Special tokens as `tokenizer_config.json` and `special_tokens_map.json` name them.

use super::read_json;
use crate::ModelError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A special token: its text, or the text with its stripping rules.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Text(String),
    Added { content: String },
}

impl Named {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Added { content: text } => text,
        }
    }
}

#[derive(Default, Deserialize)]
struct Roles {
    bos_token: Option<Named>,
    eos_token: Option<Named>,
    pad_token: Option<Named>,
    unk_token: Option<Named>,
    sep_token: Option<Named>,
    cls_token: Option<Named>,
    mask_token: Option<Named>,
}

#[derive(Default, Deserialize)]
struct Config {
    #[serde(flatten)]
    roles: Roles,
    add_bos_token: Option<bool>,
    add_eos_token: Option<bool>,
    model_max_length: Option<f64>,
}

/// What `tokenizer_config.json` adds to `tokenizer.json`.
#[derive(Debug, Clone, Default)]
pub(super) struct TokenizerConfig {
    /// Texts by role, such as `bos_token`.
    pub(super) roles: BTreeMap<String, String>,
    pub(super) add_bos: Option<bool>,
    pub(super) add_eos: Option<bool>,
    pub(super) model_max_length: Option<usize>,
}

impl TokenizerConfig {
    /// Reads the folder; absent files leave everything open.
    pub(super) fn from_dir(dir: &Path) -> Result<Self, ModelError> {
        let config: Config = read_json(&dir.join("tokenizer_config.json"))?.unwrap_or_default();
        let fallback: Roles = read_json(&dir.join("special_tokens_map.json"))?.unwrap_or_default();
        Ok(Self::new(config, fallback))
    }

    /// Takes the contents of `tokenizer_config.json`.
    #[cfg(feature = "gguf")]
    pub(super) fn from_text(text: &str, path: &Path) -> Result<Self, ModelError> {
        let config: Config = serde_json::from_str(text).map_err(ModelError::json(path))?;
        Ok(Self::new(config, Roles::default()))
    }

    fn new(config: Config, fallback: Roles) -> Self {
        let mut roles = fallback.into_texts();
        roles.extend(config.roles.into_texts());
        // Tokenizers without a limit say 1e30.
        let limit = config.model_max_length.filter(|&limit| (1.0..1e9).contains(&limit));
        Self {
            roles,
            add_bos: config.add_bos_token,
            add_eos: config.add_eos_token,
            model_max_length: limit.map(|limit| limit as usize),
        }
    }
}

impl Roles {
    fn into_texts(self) -> BTreeMap<String, String> {
        [
            ("bos_token", self.bos_token),
            ("eos_token", self.eos_token),
            ("pad_token", self.pad_token),
            ("unk_token", self.unk_token),
            ("sep_token", self.sep_token),
            ("cls_token", self.cls_token),
            ("mask_token", self.mask_token),
        ]
        .into_iter()
        .filter_map(|(role, token)| Some((role.to_owned(), token?.into_text())))
        .collect()
    }
}
