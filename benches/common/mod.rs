//! The two shapes that are measured: about a million parameters, and SmolLM2-135M.

use refire::burn::tensor::Device;
use refire::model::{Decoder, ModelConfig, TinyLlama};
use serde_json::json;
use std::path::Path;

/// A name and a decoder with random weights.
pub(crate) fn shapes() -> Vec<(&'static str, Decoder)> {
    let million = TinyLlama {
        vocab_size: 512,
        hidden_size: 160,
        intermediate_size: 432,
        layers: 3,
        heads: 5,
        context: 512,
        end_token: 0,
    };
    let smol = json!({
        "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536,
        "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
        "vocab_size": 49152, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
        "rope_theta": 100000.0, "tie_word_embeddings": true,
    });
    let smol = smol.as_object().cloned().unwrap_or_default();
    let mut shapes = vec![("1M", million.config())];
    if let Ok(config) = ModelConfig::from_map(smol, Path::new("135M")) {
        shapes.push(("135M", config));
    }
    let device = Device::flex();
    shapes.into_iter().map(|(name, c)| (name, Decoder::init(&c, 0, &device))).collect()
}
