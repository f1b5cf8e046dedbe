use refire::model::{ModelConfig, ModelError};
use serde_json::json;
use std::path::Path;

/// SmolLM2-135M's.
pub(crate) fn smollm2() -> Result<ModelConfig, ModelError> {
    let shape = json!({
        "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536,
        "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
        "vocab_size": 49152, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
        "rope_theta": 100000.0, "tie_word_embeddings": true,
    });
    ModelConfig::from_map(shape.as_object().cloned().unwrap_or_default(), Path::new("135M"))
}
