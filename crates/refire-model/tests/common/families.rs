//! Tiny shapes of every family.

use burn::tensor::Device;
use refire_model::{Decoder, Family, ModelConfig};
use serde_json::{Value, json};
use std::path::Path;

pub(crate) fn config(family: Family, more: Value) -> ModelConfig {
    let mut raw = json!({
        "model_type": family.model_type(), "vocab_size": 61, "hidden_size": 24,
        "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 10, "max_position_embeddings": 64,
        "initializer_range": 0.3, "sliding_window": 5, "moe_intermediate_size": 12,
        "num_experts": 5, "num_experts_per_tok": 2, "query_pre_attn_scalar": 9,
        "eos_token_id": 0, "bos_token_id": null, "dtype": "float32",
    });
    let all = raw.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    ModelConfig::from_map(all.clone(), Path::new("config.json")).unwrap()
}

/// All families, and what few of their models have.
pub(crate) fn configs() -> Vec<ModelConfig> {
    let factors = |f: f64| (0..5).map(|i| 1.0 + f * f64::from(i)).collect::<Vec<_>>();
    let longrope = json!({
        "rope_type": "longrope", "short_factor": factors(0.1), "long_factor": factors(0.7),
    });
    let mut configs: Vec<_> = Family::ALL.into_iter().map(|f| config(f, json!({}))).collect();
    configs.extend([
        config(
            Family::Phi3,
            json!({
                "original_max_position_embeddings": 12, "rope_parameters": longrope,
            }),
        ),
        config(Family::Phi3, json!({"partial_rotary_factor": 0.4})),
        config(Family::Llama, json!({"attention_bias": true, "mlp_bias": true})),
        config(
            Family::Llama,
            json!({"rope_scaling": {
                "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16,
            }}),
        ),
        config(Family::Qwen2, json!({"use_sliding_window": true, "max_window_layers": 1})),
        config(
            Family::Qwen3Moe,
            json!({
                "norm_topk_prob": true, "decoder_sparse_step": 2, "num_key_value_heads": 1,
            }),
        ),
        config(
            Family::Gemma3,
            json!({"sliding_window_pattern": 2, "rope_scaling": {
                "rope_type": "linear", "factor": 8.0,
            }}),
        ),
    ]);
    configs
}

pub(crate) fn each(check: impl Fn(&Decoder)) {
    for config in configs() {
        println!("{}", serde_json::to_string(&config.raw).unwrap());
        check(&Decoder::init(&config, 4, &Device::flex()));
    }
}
