//! `config.json` of a Hugging Face folder.

mod family;
mod fields;
mod layers;
mod read;
mod rope;
mod spec;
#[cfg(test)]
mod tests;
mod tiny;

pub use family::Family;
pub use rope::{Rope, RopeScaling};
pub use spec::{Activation, AttentionSpec, LayerSpec, MlpSpec, MoeSpec, NormPlacement, QkNorm};
pub use tiny::TinyLlama;

use serde_json::{Map, Value, json};

/// What defines a decoder: sizes that all layers share, and what each layer is made of.
///
/// Made by [`ModelConfig::read`] from a folder, or from a [`TinyLlama`] for a model that starts
/// from nothing. Fields carry Hugging Face's names where it has them.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// The architecture.
    pub family: Family,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layers that aren't mixtures of experts.
    pub intermediate_size: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; query heads are a multiple of them.
    pub num_key_value_heads: usize,
    /// Width of a head; not always `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    /// Added to the mean square before its root.
    pub rms_norm_eps: f64,
    /// Norms multiply by `1 + weight`: Gemma 2 and 3.
    pub norm_offset: bool,
    /// Longest row, in tokens.
    pub max_position_embeddings: usize,
    /// The head shares the embedding's weight.
    pub tie_word_embeddings: bool,
    /// A score per token in the place of logits (`...ForSequenceClassification` with one label):
    /// a value or reward model.
    pub score_head: bool,
    /// Attention.
    pub attention: AttentionSpec,
    /// The three feed-forward projections have biases.
    pub mlp_bias: bool,
    /// Nonlinearity of the feed-forward layers.
    pub activation: Activation,
    /// Factor of the embeddings as they enter the first layer: `sqrt(hidden_size)` in Gemma.
    pub embedding_scale: f64,
    /// Logits `l` become `cap tanh(l / cap)`.
    pub final_softcap: Option<f64>,
    /// The layers.
    pub layers: Vec<LayerSpec>,
    /// Weight of the auxiliary loss that balances experts, as the file has it.
    pub router_aux_loss_coef: f64,
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
    /// Tokens that a row may have at most: `max_position_embeddings`, or a multiple of it where
    /// positions stretch with the row ([`RopeScaling::Dynamic`]).
    pub fn context(&self) -> usize {
        let stretch = |rope: &Rope| match rope.scaling {
            RopeScaling::Dynamic { factor, .. } => factor.max(1.0),
            _ => 1.0,
        };
        let most = self.ropes().0.iter().map(stretch).fold(1.0, f64::max);
        (self.max_position_embeddings as f64 * most) as usize
    }

    /// Parameters of the network.
    pub fn parameters(&self) -> usize {
        let h = self.hidden_size;
        let head = match (self.score_head, self.tie_word_embeddings) {
            (true, _) => h,
            (false, true) => 0,
            (false, false) => self.vocab_size * h,
        };
        let layers: usize = self.layers.iter().map(|layer| self.layer_parameters(layer)).sum();
        self.vocab_size * h + head + layers + h
    }

    fn layer_parameters(&self, layer: &LayerSpec) -> usize {
        let (h, i) = (self.hidden_size, self.intermediate_size);
        let [q, kv] = self.projection_widths();
        let attention = 2 * h * q
            + 2 * h * kv
            + usize::from(self.attention.qkv_bias) * (q + 2 * kv)
            + usize::from(self.attention.o_bias) * h;
        let mlp = match layer.mlp {
            MlpSpec::Dense { .. } => 3 * h * i + usize::from(self.mlp_bias) * (2 * i + h),
            MlpSpec::Experts(moe) => moe.experts * (h + 3 * h * moe.width),
        };
        let norms = h * if layer.norms == NormPlacement::Sandwich { 4 } else { 2 };
        let qk_norms = match layer.qk_norm {
            None => 0,
            Some(QkNorm::Head) => 2 * self.head_dim,
            Some(QkNorm::Projection) => q + kv,
        };
        attention + mlp + norms + qk_norms
    }

    /// Widths of all query heads, and of all key or value heads.
    pub(crate) fn projection_widths(&self) -> [usize; 2] {
        [self.num_attention_heads * self.head_dim, self.num_key_value_heads * self.head_dim]
    }

    /// The different ropes, and which of them each layer has.
    pub(crate) fn ropes(&self) -> (Vec<Rope>, Vec<Option<usize>>) {
        distinct(self.layers.iter().map(|layer| layer.rope.as_ref()))
    }

    /// Gives the head a weight of its own, in the file's words too.
    pub(crate) fn untie(&mut self) {
        self.tie_word_embeddings = false;
        self.raw.insert("tie_word_embeddings".to_owned(), json!(false));
    }

    /// Turns the configuration of a language model into that of a model of scores, in the file's
    /// words too.
    pub(crate) fn make_scorer(&mut self) {
        self.score_head = true;
        let name = format!("{}ForSequenceClassification", self.family.class());
        self.raw.insert("architectures".to_owned(), json!([name]));
        self.raw.insert("id2label".to_owned(), json!({"0": "LABEL_0"}));
        self.raw.insert("label2id".to_owned(), json!({"LABEL_0": 0}));
    }
}

/// The different values, in order, and the place of each one.
fn distinct<'a, T: PartialEq + Clone + 'a>(
    values: impl Iterator<Item = Option<&'a T>>,
) -> (Vec<T>, Vec<Option<usize>>) {
    let mut found: Vec<T> = Vec::new();
    let place = |value: Option<&'a T>| {
        let value = value?;
        Some(found.iter().position(|known| known == value).unwrap_or_else(|| {
            found.push(value.clone());
            found.len() - 1
        }))
    };
    let places = values.map(place).collect();
    (found, places)
}
