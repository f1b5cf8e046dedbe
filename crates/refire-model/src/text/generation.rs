use super::read_json;
use crate::ModelError;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::Path;

/// `generation_config.json`: the end tokens and the sampling settings a model's makers suggest.
///
/// Only the token ids are meant for training. The sampling settings are what people chat with
/// (Qwen suggests `top_k` 20 and `top_p` 0.8); a rollout that takes them over samples from another
/// distribution than the one its log-probabilities describe. Nothing in refire inherits them: pass
/// on what you want.
///
/// ```
/// use refire_model::GenerationConfig;
///
/// let text = r#"{"eos_token_id": [151645, 151643], "top_p": 0.8, "transformers_version": "4.51"}"#;
/// let config: GenerationConfig = serde_json::from_str(text)?;
/// assert_eq!(config.end_tokens(&[151645, 7]), [151645, 151643, 7]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerationConfig {
    /// Tokens that end a completion; one number or a list in the file.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub eos_token_id: Vec<u32>,
    /// Token that begins a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bos_token_id: Option<u32>,
    /// Token that fills up shorter rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_token_id: Option<u32>,
    /// Suggested: draw instead of taking the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_sample: Option<bool>,
    /// Suggested temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Suggested nucleus mass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Suggested number of likeliest tokens to draw from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Suggested floor relative to the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Suggested penalty on repeated tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
    /// Suggested limit of new tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_new_tokens: Option<u32>,
}

impl GenerationConfig {
    /// Reads `generation_config.json` of a folder; without the file everything is empty.
    ///
    /// Fields that aren't listed here are ignored.
    ///
    /// # Errors
    /// [`ModelError::Io`] and [`ModelError::Json`] for a file that can't be read.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, ModelError> {
        Ok(read_json(&dir.as_ref().join("generation_config.json"))?.unwrap_or_default())
    }

    /// All tokens that end a completion: these, then those of `config.json` that aren't among them.
    pub fn end_tokens(&self, config_eos: &[u32]) -> Vec<u32> {
        let mut tokens = Vec::new();
        for &token in self.eos_token_id.iter().chain(config_eos) {
            if !tokens.contains(&token) {
                tokens.push(token);
            }
        }
        tokens
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a token id or a list of token ids")]
    enum Ids {
        None(()),
        One(u32),
        Many(Vec<u32>),
    }
    Ok(match Ids::deserialize(deserializer)? {
        Ids::None(()) => Vec::new(),
        Ids::One(id) => vec![id],
        Ids::Many(ids) => ids,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_end_token_or_several() {
        let one: GenerationConfig = serde_json::from_str(r#"{"eos_token_id": 2}"#).unwrap();
        assert_eq!(one.eos_token_id, [2]);
        let none: GenerationConfig = serde_json::from_str(r#"{"eos_token_id": null}"#).unwrap();
        assert_eq!(none, GenerationConfig::default());
        assert!(serde_json::from_str::<GenerationConfig>(r#"{"eos_token_id": "</s>"}"#).is_err());
    }

    #[test]
    fn no_file_is_empty_and_a_broken_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(GenerationConfig::from_dir(dir.path()).unwrap(), GenerationConfig::default());
        std::fs::write(dir.path().join("generation_config.json"), "{").unwrap();
        let error = GenerationConfig::from_dir(dir.path()).unwrap_err().to_string();
        assert!(error.contains("generation_config.json"), "{error}");
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let config = GenerationConfig {
            eos_token_id: vec![5, 3],
            top_k: Some(20),
            temperature: Some(0.7),
            ..GenerationConfig::default()
        };
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(text, r#"{"eos_token_id":[5,3],"temperature":0.7,"top_k":20}"#);
        assert_eq!(serde_json::from_str::<GenerationConfig>(&text).unwrap(), config);
    }
}
