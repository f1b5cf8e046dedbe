//! `config.json` of a Hugging Face folder.

mod read;
mod rope;
mod tiny;

pub use rope::{Rope, RopeScaling};
pub use tiny::TinyLlama;

use serde_json::{Map, Value, json};

/// What defines a decoder of the Llama family.
///
/// Made by [`ModelConfig::read`] from a folder, or from a [`TinyLlama`] for a model that starts
/// from nothing. Fields carry Hugging Face's names.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; query heads are a multiple of them.
    pub num_key_value_heads: usize,
    /// Width of a head; not always `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    /// Added to the mean square before its root.
    pub rms_norm_eps: f64,
    /// Longest row, in tokens.
    pub max_position_embeddings: usize,
    /// The head shares the embedding's weight.
    pub tie_word_embeddings: bool,
    /// A score per token in the place of logits (`...ForSequenceClassification` with one label):
    /// a value or reward model.
    pub score_head: bool,
    /// The four attention projections have biases.
    pub attention_bias: bool,
    /// The three feed-forward projections have biases.
    pub mlp_bias: bool,
    /// Rotary position embedding.
    pub rope: Rope,
    /// Tokens that end a reply, from this file alone.
    pub eos_token_ids: Vec<u32>,
    /// Token that begins a text.
    pub bos_token_id: Option<u32>,
    /// Standard deviation of initial weights.
    pub initializer_range: f64,
    /// The file as it was read, written back when the model is exported.
    pub raw: Map<String, Value>,
}

impl ModelConfig {
    /// Parameters of the network.
    pub fn parameters(&self) -> usize {
        let (h, i, d) = (self.hidden_size, self.intermediate_size, self.head_dim);
        let (q, kv) = (self.num_attention_heads * d, self.num_key_value_heads * d);
        let attention =
            2 * h * q + 2 * h * kv + usize::from(self.attention_bias) * (q + 2 * kv + h);
        let mlp = 3 * h * i + usize::from(self.mlp_bias) * (2 * i + h);
        let head = match (self.score_head, self.tie_word_embeddings) {
            (true, _) => h,
            (false, true) => 0,
            (false, false) => self.vocab_size * h,
        };
        self.vocab_size * h + head + self.num_hidden_layers * (attention + mlp + 2 * h) + h
    }

    /// Turns the configuration of a language model into that of a model of scores, in the file's
    /// words too.
    pub(crate) fn make_scorer(&mut self) {
        self.score_head = true;
        let named = |raw: &Map<String, Value>| {
            let name = raw.get("architectures")?.as_array()?.first()?.as_str()?;
            Some(name.replace("ForCausalLM", "ForSequenceClassification"))
        };
        let name = named(&self.raw).unwrap_or_else(|| "LlamaForSequenceClassification".to_owned());
        self.raw.insert("architectures".to_owned(), json!([name]));
        self.raw.insert("id2label".to_owned(), json!({"0": "LABEL_0"}));
        self.raw.insert("label2id".to_owned(), json!({"LABEL_0": 0}));
    }
}
