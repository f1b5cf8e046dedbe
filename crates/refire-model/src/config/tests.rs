use super::*;
use serde_json::json;
use std::path::Path;

fn read(fields: Value) -> Result<ModelConfig, String> {
    let mut raw = json!({
        "model_type": "llama", "vocab_size": 128, "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
    });
    let (all, more) = (raw.as_object_mut().expect("object"), fields);
    all.extend(more.as_object().expect("object").clone());
    ModelConfig::from_map(all.clone(), Path::new("folder/config.json"))
        .map_err(|error| error.to_string())
}

fn valid(fields: Value) -> ModelConfig {
    read(fields).expect("valid")
}

/// The error names the file and contains all parts.
fn refused(fields: Value, parts: &[&str]) {
    let error = read(fields).expect_err("refused");
    assert!(error.contains("folder/config.json"), "{error}");
    for part in parts {
        assert!(error.contains(part), "`{part}` in: {error}");
    }
}

fn windows(config: &ModelConfig) -> Vec<Option<usize>> {
    config.layers.iter().map(|layer| layer.window).collect()
}

#[test]
fn what_a_file_leaves_out_is_as_transformers_has_it() {
    let llama = valid(json!({}));
    assert!(!llama.tie_word_embeddings && llama.eos_token_ids == [2]);
    assert_eq!((llama.max_position_embeddings, llama.rms_norm_eps), (2048, 1e-6));
    assert_eq!(llama.layers[0].rope, Some(Rope::new(10_000.0)));
    let qwen = valid(json!({"model_type": "qwen3"}));
    assert_eq!((qwen.head_dim, qwen.bos_token_id), (128, None));
    assert_eq!(windows(&qwen), [None; 4], "windows are switched off");
    let smollm = valid(json!({"model_type": "smollm3"}));
    let ropes: Vec<bool> = smollm.layers.iter().map(|layer| layer.rope.is_some()).collect();
    assert!(smollm.tie_word_embeddings && ropes == [true, true, true, false]);
    assert_eq!(smollm.layers[0].rope, Some(Rope::new(2_000_000.0)));
    assert_eq!(windows(&valid(json!({"model_type": "mistral"}))), [Some(4096); 4]);
    assert_eq!(
        windows(&valid(json!({"model_type": "mistral", "sliding_window": null}))),
        [None; 4]
    );
    let gemma = valid(json!({"model_type": "gemma2"}));
    assert_eq!(windows(&gemma), [Some(4096), None, Some(4096), None]);
    assert_eq!((gemma.final_softcap, gemma.attention.softcap), (Some(30.0), Some(50.0)));
    assert_eq!((gemma.head_dim, gemma.attention.scale), (256, 1.0 / 16.0));
    let uncapped = json!({"model_type": "gemma2", "final_logit_softcapping": null});
    assert_eq!(valid(uncapped).final_softcap, None);
    let moe = valid(json!({"model_type": "qwen3_moe"}));
    let expected = MoeSpec { experts: 128, active: 8, width: 768, normalize: false };
    assert_eq!(moe.layers[0].mlp, MlpSpec::Experts(expected));
}

#[test]
fn which_layers_have_a_window() {
    let pattern = json!({"model_type": "gemma3_text", "sliding_window": 9, "num_hidden_layers": 7});
    let gemma = valid(pattern);
    let local = Some(9);
    assert_eq!(windows(&gemma), [local, local, local, local, local, None, local]);
    let theta = |layer: usize| gemma.layers[layer].rope.as_ref().map(|rope| rope.theta);
    assert_eq!((theta(0), theta(5)), (Some(1e4), Some(1e6)));
    let late = json!({
        "model_type": "qwen2", "use_sliding_window": true, "sliding_window": 9,
        "max_window_layers": 2,
    });
    assert_eq!(windows(&valid(late)), [None, None, local, local]);
    let listed = json!({
        "model_type": "qwen3", "use_sliding_window": true, "sliding_window": 9,
        "layer_types": ["full_attention", "sliding_attention", "full_attention", "full_attention"],
    });
    assert_eq!(windows(&valid(listed)), [None, local, None, None]);
}

#[test]
fn what_is_not_supported_is_named() {
    for (fields, parts) in [
        (json!({"model_type": "mamba"}), &["`model_type`", "mamba", "gemma3_text"][..]),
        (json!({"hidden_act": "relu"}), &["`hidden_act`", "relu"]),
        (json!({"attention_dropout": 0.1}), &["`attention_dropout`", "0.1"]),
        (json!({"quantization_config": {"bits": 4}}), &["`quantization_config`", "bits"]),
        (json!({"num_attention_heads": 5}), &["`num_attention_heads`", "hidden_size = 32"]),
        (json!({"head_dim": 7}), &["`head_dim`", "even"]),
        (json!({"num_hidden_layers": 4_000_000_000_u64}), &["`num_hidden_layers`", "at most"]),
        (json!({"num_key_value_heads": 3}), &["`num_key_value_heads`", "divisor"]),
        (json!({"rope_scaling": {"rope_type": "spiral"}}), &["`rope_scaling.rope_type`", "yarn"]),
        (json!({"rope_parameters": {"type": "proportional"}}), &["`rope_parameters.type`"]),
        (json!({"rope_scaling": {"type": "linear"}}), &["`rope_scaling.factor`", "missing"]),
        (json!({"rope_theta": -1.0}), &["`rope_theta`", "-1"]),
        (json!({"partial_rotary_factor": 0.5}), &["`partial_rotary_factor`", "1 for llama"]),
        (
            json!({"rope_parameters": {"full_attention": {"rope_theta": 1e4}}}),
            &["`rope_parameters.full_attention`", "gemma3_text"],
        ),
        (
            json!({"rope_scaling": {
                "type": "longrope", "short_factor": [1.0], "long_factor": [1.0, 2.0]
            }}),
            &["`rope_scaling.short_factor`", "1 of them", "4 positive"],
        ),
        (
            json!({"model_type": "phi3", "rope_scaling": {"type": "llama3"}}),
            &["`rope_scaling.type`", "longrope"],
        ),
        (
            json!({"model_type": "gemma3_text", "rope_parameters": {"rope_theta": 1e4}}),
            &["`rope_parameters`", "`rope_theta`", "full_attention"],
        ),
        (
            json!({"model_type": "gemma3_text", "rope_parameters": {
                "sliding_attention": {"rope_type": "spiral"}
            }}),
            &["`rope_parameters.sliding_attention.rope_type`"],
        ),
        (
            json!({"model_type": "gemma3_text", "attn_logit_softcapping": 50.0}),
            &["`attn_logit_softcapping`", "50"],
        ),
        (
            json!({"model_type": "gemma3_text", "use_bidirectional_attention": true}),
            &["`use_bidirectional_attention`"],
        ),
        (
            json!({"model_type": "gemma2", "layer_types": ["full_attention"]}),
            &["`layer_types`", "a list of 1"],
        ),
        (
            json!({"model_type": "gemma2", "layer_types": [0, 1, 2, 3]}),
            &["`layer_types`", "a list with 0"],
        ),
        (
            json!({"model_type": "qwen2", "layer_types": vec!["sliding_attention"; 4]}),
            &["`sliding_window`", "none"],
        ),
        (json!({"model_type": "smollm3", "no_rope_layers": [1, 0]}), &["`no_rope_layers`", "2"]),
        (
            json!({"model_type": "qwen3_moe", "num_experts": 4}),
            &["`num_experts_per_tok`", "number of experts, 4"],
        ),
    ] {
        refused(fields, parts);
    }
}

#[test]
fn a_missing_size_is_named() {
    for field in ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers"] {
        let mut raw = TinyLlama::default().config().raw;
        raw.remove(field);
        let error = ModelConfig::from_map(raw, Path::new("config.json")).expect_err("refused");
        assert!(error.to_string().contains(&format!("`{field}` is missing")), "{error}");
    }
}

#[test]
fn old_names_of_longrope_and_the_field_beside_it() {
    let factors = json!([1.0, 1.5, 2.0, 2.5]);
    let rope = |kind: &str| {
        json!({
            "model_type": "phi3", "original_max_position_embeddings": 64,
            "max_position_embeddings": 256,
            "rope_scaling": {"type": kind, "short_factor": factors, "long_factor": factors},
        })
    };
    let expected = valid(rope("longrope")).layers;
    for old in ["su", "yarn"] {
        assert_eq!(valid(rope(old)).layers, expected);
    }
    let rope = expected[0].rope.as_ref().expect("rotated");
    assert_eq!(rope.border(), Some(64));
    let factor = (1.0 + 4.0_f64.ln() / 64.0_f64.ln()).sqrt();
    assert_eq!(rope.attention_factor(), factor);
}
