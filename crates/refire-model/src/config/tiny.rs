use super::{
    Activation, AttentionSpec, Family, LayerSpec, MlpSpec, ModelConfig, NormPlacement, Rope,
};
use serde_json::{Map, Value, json};

/// The shape of a small Llama model that starts from nothing.
///
/// ```
/// use refire_model::TinyLlama;
/// let config = TinyLlama { vocab_size: 110, ..TinyLlama::default() }.config();
/// assert!((150_000..260_000).contains(&config.parameters()));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TinyLlama {
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads, and key and value heads.
    pub heads: usize,
    /// Longest row.
    pub context: usize,
    /// Token that ends a reply.
    pub end_token: u32,
}

impl Default for TinyLlama {
    /// About 210 thousand parameters with a vocabulary of 110.
    fn default() -> Self {
        Self {
            vocab_size: 128,
            hidden_size: 96,
            intermediate_size: 224,
            layers: 2,
            heads: 4,
            context: 64,
            end_token: 0,
        }
    }
}

impl TinyLlama {
    /// The configuration, in the form that transformers reads.
    pub fn config(&self) -> ModelConfig {
        let head_dim = self.hidden_size / self.heads.max(1);
        let raw: Map<String, Value> = [
            ("architectures", json!(["LlamaForCausalLM"])),
            ("model_type", json!("llama")),
            ("hidden_act", json!("silu")),
            ("vocab_size", json!(self.vocab_size)),
            ("hidden_size", json!(self.hidden_size)),
            ("intermediate_size", json!(self.intermediate_size)),
            ("num_hidden_layers", json!(self.layers)),
            ("num_attention_heads", json!(self.heads)),
            ("num_key_value_heads", json!(self.heads)),
            ("head_dim", json!(head_dim)),
            ("rms_norm_eps", json!(1e-5)),
            ("max_position_embeddings", json!(self.context)),
            ("tie_word_embeddings", json!(true)),
            ("attention_bias", json!(false)),
            ("mlp_bias", json!(false)),
            ("rope_theta", json!(10_000.0)),
            ("bos_token_id", Value::Null),
            ("eos_token_id", json!(self.end_token)),
            ("initializer_range", json!(0.02)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect();
        let layer = LayerSpec {
            norms: NormPlacement::Pre,
            qk_norm: None,
            rope: Some(Rope::new(10_000.0)),
            window: None,
            mlp: MlpSpec::Dense { fused: false },
        };
        ModelConfig {
            family: Family::Llama,
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_attention_heads: self.heads,
            num_key_value_heads: self.heads,
            head_dim,
            rms_norm_eps: 1e-5,
            norm_offset: false,
            max_position_embeddings: self.context,
            tie_word_embeddings: true,
            score_head: false,
            attention: AttentionSpec {
                fused: false,
                qkv_bias: false,
                o_bias: false,
                scale: (head_dim as f64).sqrt().recip(),
                softcap: None,
            },
            mlp_bias: false,
            activation: Activation::Silu,
            embedding_scale: 1.0,
            final_softcap: None,
            layers: vec![layer; self.layers],
            router_aux_loss_coef: 0.001,
            eos_token_ids: vec![self.end_token],
            bos_token_id: None,
            initializer_range: 0.02,
            raw,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_is_written_reads_as_the_same_configuration() {
        let config = TinyLlama::default().config();
        let read = ModelConfig::from_map(config.raw.clone(), Path::new("config.json"));
        assert_eq!(read.expect("valid"), config);
    }
}
