//! Small networks of different families.

use refire::core::BoxError;
use refire::model::{ModelConfig, TinyLlama};
use serde_json::{Map, Value, json};
use std::path::Path;

/// A plain decoder; one with windows, caps, a GELU and norms everywhere; one with experts.
///
/// # Errors
/// For a configuration that the library doesn't take.
pub fn all() -> Result<Vec<(&'static str, ModelConfig)>, BoxError> {
    let shape = TinyLlama { hidden_size: 32, intermediate_size: 48, ..TinyLlama::default() };
    let mut configs = vec![("llama", shape.config()), ("gemma2", gemma()?), ("qwen3_moe", qwen()?)];
    // Wide enough that logits, and what is drawn from them, differ.
    configs.iter_mut().for_each(|(_, config)| config.initializer_range = 0.15);
    Ok(configs)
}

/// What both of the others share.
fn read(special: Value) -> Result<ModelConfig, BoxError> {
    let shared = json!({
        "vocab_size": 128,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
        "bos_token_id": 1,
        "eos_token_id": 0,
    });
    let (mut raw, special) = (fields(shared)?, fields(special)?);
    raw.extend(special);
    Ok(ModelConfig::from_map(raw, Path::new("config.json"))?)
}

fn fields(value: Value) -> Result<Map<String, Value>, BoxError> {
    match value {
        Value::Object(fields) => Ok(fields),
        other => Err(format!("{other} is no object").into()),
    }
}

fn gemma() -> Result<ModelConfig, BoxError> {
    read(json!({
        "model_type": "gemma2",
        "architectures": ["Gemma2ForCausalLM"],
        "hidden_activation": "gelu_pytorch_tanh",
        "attn_logit_softcapping": 4.0,
        "final_logit_softcapping": 6.0,
        "query_pre_attn_scalar": 8,
        "layer_types": ["sliding_attention", "full_attention"],
        "sliding_window": 6,
        "tie_word_embeddings": true,
    }))
}

fn qwen() -> Result<ModelConfig, BoxError> {
    read(json!({
        "model_type": "qwen3_moe",
        "architectures": ["Qwen3MoeForCausalLM"],
        "hidden_act": "silu",
        "moe_intermediate_size": 16,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "norm_topk_prob": true,
        "tie_word_embeddings": false,
    }))
}
