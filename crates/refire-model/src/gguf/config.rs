//! From a file's metadata to the configuration of a Hugging Face folder.

use super::keys::Keys;
use super::{GgufFile, rope};
use crate::{Family, ModelConfig, ModelError};
use serde_json::{Map, Value, json};

/// Keys that say nothing which the tensors, or other keys, don't say.
const IGNORED: [&str; 2] = ["vocab_size", "rope.scaling.finetuned"];

/// The family of a `general.architecture`.
fn family(file: &GgufFile) -> Result<(Family, &'static str), ModelError> {
    let mut general = Keys::new(file, "general.");
    let found = general.needed_text("architecture")?;
    let known = Family::ALL.into_iter().filter_map(|family| Some((family, architecture(family)?)));
    let known: Vec<_> = known.collect();
    if let Some(pair) = known.iter().find(|(_, name)| *name == found) {
        return Ok(*pair);
    }
    let names: Vec<&str> = known.iter().map(|(_, name)| *name).collect();
    Err(general.error("architecture", found, format!("one of {}", names.join(", "))))
}

/// llama.cpp's name; Mistral's models are `llama` there.
fn architecture(family: Family) -> Option<&'static str> {
    Some(match family {
        Family::Llama => "llama",
        Family::Mistral => return None,
        Family::Qwen3Moe => "qwen3moe",
        Family::Gemma3 => "gemma3",
        other => other.model_type(),
    })
}

/// The configuration, as a Hugging Face folder would have it.
pub(super) fn config(file: &GgufFile) -> Result<ModelConfig, ModelError> {
    let (family, name) = family(file)?;
    let mut keys = Keys::new(file, &format!("{name}."));
    let mut raw = sizes(file, &mut keys)?;
    raw.insert("model_type".to_owned(), json!(family.model_type()));
    let class = if family == Family::Gemma3 { "Gemma3" } else { family.class() };
    raw.insert("architectures".to_owned(), json!([format!("{class}ForCausalLM")]));
    raw.extend(rope::rope(file, family, &mut keys, &raw)?);
    raw.extend(windows(family, &mut keys)?);
    match family {
        Family::Gemma2 | Family::Gemma3 => raw.extend(gemma(family, &mut keys, &raw)?),
        Family::Qwen3Moe => raw.extend(experts(&mut keys)?),
        // Zero in old files of models without experts.
        _ => keys.only("expert_count", 0.0).and(keys.only("expert_used_count", 0.0))?,
    }
    raw.extend(special_tokens(file)?);
    keys.ignore(&IGNORED);
    keys.check_all_read()?;
    ModelConfig::from_map(raw, file.path())
}

type Fields = Map<String, Value>;

/// Fields of a JSON object.
pub(super) fn fields<const N: usize>(pairs: [(&str, Value); N]) -> Fields {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn sizes(file: &GgufFile, keys: &mut Keys<'_>) -> Result<Fields, ModelError> {
    let heads = keys.needed_size("attention.head_count")?;
    let hidden = keys.needed_size("embedding_length")?;
    let key_length = keys.size("attention.key_length")?;
    if let (Some(key), Some(value)) = (key_length, keys.size("attention.value_length")?)
        && key != value
    {
        let expected = format!("{key}, as attention.key_length");
        return Err(keys.error("attention.value_length", value.to_string(), expected));
    }
    let (layers, tensors) = (keys.needed_size("block_count")?, file.tensors().len());
    if layers > tensors {
        let expected = format!("at most {tensors}, the number of tensors");
        return Err(keys.error("block_count", layers.to_string(), expected));
    }
    let embedding = file.tensor("token_embd.weight", &[])?;
    let held = |name: &str| file.tensors().contains_key(name);
    let mut fields = fields([
        ("num_attention_heads", json!(heads)),
        ("num_key_value_heads", json!(keys.size("attention.head_count_kv")?.unwrap_or(heads))),
        ("hidden_size", json!(hidden)),
        ("intermediate_size", json!(keys.needed_size("feed_forward_length")?)),
        ("num_hidden_layers", json!(layers)),
        ("max_position_embeddings", json!(keys.needed_size("context_length")?)),
        ("rms_norm_eps", json!(keys.needed_number("attention.layer_norm_rms_epsilon")?)),
        ("vocab_size", json!(embedding.shape.first())),
        ("tie_word_embeddings", json!(!held("output.weight"))),
        ("attention_bias", json!(held("blk.0.attn_output.bias"))),
        ("mlp_bias", json!(held("blk.0.ffn_down.bias"))),
    ]);
    let head_dim = key_length.or_else(|| hidden.checked_div(heads));
    fields.insert("head_dim".to_owned(), json!(head_dim));
    Ok(fields)
}

/// Windows of some families; which layers have one is llama.cpp's rule, unless the file says so.
fn windows(family: Family, keys: &mut Keys<'_>) -> Result<Fields, ModelError> {
    const WINDOW: &str = "attention.sliding_window";
    const PATTERN: &str = "attention.sliding_window_pattern";
    let window = keys.size(WINDOW)?.filter(|window| *window > 0);
    let has_windows = matches!(family, Family::Gemma2 | Family::Gemma3 | Family::Phi3);
    if let (Some(window), false) = (window, has_windows) {
        let expected = format!("0: windows of {} aren't supported", family.model_type());
        return Err(keys.error(WINDOW, window.to_string(), expected));
    }
    let mut fields = fields([("sliding_window", json!(window))]);
    if !matches!(family, Family::Gemma2 | Family::Gemma3) {
        return Ok(fields);
    }
    let flags = |value: &super::GgufValue| {
        value.as_list()?.iter().map(super::GgufValue::as_bool).collect::<Option<Vec<bool>>>()
    };
    let kind = |window: bool| if window { "sliding_attention" } else { "full_attention" };
    if let Some(listed) = keys.get(PATTERN, "a list of true and false", flags)? {
        let listed: Vec<&str> = listed.into_iter().map(kind).collect();
        fields.insert("layer_types".to_owned(), json!(listed));
    } else if window.is_none() {
        let count = keys.needed_size("block_count")?;
        fields.insert("layer_types".to_owned(), json!(vec![kind(false); count]));
    }
    Ok(fields)
}

/// The factor of attention is no key: llama.cpp tells the largest models by their layers, and so
/// does this.
fn gemma(family: Family, keys: &mut Keys<'_>, raw: &Fields) -> Result<Fields, ModelError> {
    let size = |name: &str| raw.get(name).and_then(Value::as_u64).unwrap_or(0);
    let largest = if family == Family::Gemma2 { 46 } else { 62 };
    let scaled_by = match size("num_hidden_layers") == largest {
        true => size("hidden_size").checked_div(size("num_attention_heads")).unwrap_or(0),
        false => size("head_dim"),
    };
    let mut fields = fields([
        ("hidden_activation", json!("gelu_pytorch_tanh")),
        ("query_pre_attn_scalar", json!(scaled_by)),
    ]);
    // Where they are absent, llama.cpp's defaults are those of transformers.
    for cap in ["final_logit_softcapping", "attn_logit_softcapping"] {
        if let Some(value) = keys.number(cap)? {
            fields.insert(cap.to_owned(), json!(value));
        }
    }
    Ok(fields)
}

fn experts(keys: &mut Keys<'_>) -> Result<Fields, ModelError> {
    keys.only("expert_weights_scale", 1.0)?;
    keys.only("expert_shared_count", 0.0)?;
    // llama.cpp takes softmax for this architecture; 1 says so.
    keys.only("expert_gating_func", 1.0)?;
    Ok(fields([
        ("num_experts", json!(keys.needed_size("expert_count")?)),
        ("num_experts_per_tok", json!(keys.needed_size("expert_used_count")?)),
        ("moe_intermediate_size", json!(keys.needed_size("expert_feed_forward_length")?)),
        ("norm_topk_prob", json!(keys.flag("expert_weights_norm")?.unwrap_or(true))),
    ]))
}

fn special_tokens(file: &GgufFile) -> Result<Fields, ModelError> {
    let mut keys = Keys::new(file, "tokenizer.ggml.");
    Ok(fields([
        ("bos_token_id", json!(keys.size("bos_token_id")?)),
        ("eos_token_id", json!(keys.size("eos_token_id")?)),
        ("pad_token_id", json!(keys.size("padding_token_id")?)),
    ]))
}
