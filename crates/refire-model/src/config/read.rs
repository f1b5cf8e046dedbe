use super::fields::Fields;
use super::layers::layers;
use super::rope::Context;
use super::{Activation, AttentionSpec, Family, ModelConfig};
use crate::ModelError;
use serde_json::{Map, Value};
use std::path::Path;

impl ModelConfig {
    /// Reads `config.json` of a folder: the old flat style (`rope_theta`, `rope_scaling`) and that
    /// of transformers 5 (`rope_parameters`).
    ///
    /// What a file leaves out is what transformers 5 assumes for its `model_type`; sizes must be
    /// there.
    ///
    /// # Errors
    /// Names the file and the field for an unknown `model_type` or rope type, for fields that are
    /// missing, of the wrong type or out of range, and for what isn't supported: dropout,
    /// quantised weights, attention in both directions, other types of layers.
    pub fn read(dir: &Path) -> Result<Self, ModelError> {
        let path = dir.join("config.json");
        let text = std::fs::read_to_string(&path).map_err(ModelError::io(&path))?;
        let raw: Map<String, Value> =
            serde_json::from_str(&text).map_err(ModelError::json(&path))?;
        Self::from_map(raw, &path)
    }

    /// Takes the configuration from a JSON object; `path` names it in errors.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn from_map(raw: Map<String, Value>, path: &Path) -> Result<Self, ModelError> {
        let fields = Fields::new(&raw, path);
        let family = family(&fields)?;
        refuse(&fields, family)?;
        let defaults = family.defaults();
        let heads = fields.positive("num_attention_heads")?;
        let hidden_size = fields.positive("hidden_size")?;
        let head_dim = head_dim(&fields, family, hidden_size, heads)?;
        let max_position_embeddings = fields
            .optional("max_position_embeddings", Fields::positive)?
            .unwrap_or(defaults.max_position_embeddings);
        let context = Context { family, head_dim, max_position_embeddings };
        let ids = |field, default: Option<u32>| {
            let default = default.map(|id| vec![id]);
            Ok(fields.absent_is(field, default, Fields::ids)?.unwrap_or_default())
        };
        let count = layer_count(&fields)?;
        Ok(Self {
            family,
            vocab_size: fields.positive("vocab_size")?,
            hidden_size,
            intermediate_size: fields.positive("intermediate_size")?,
            num_attention_heads: heads,
            num_key_value_heads: key_value_heads(&fields, family, heads)?,
            head_dim,
            rms_norm_eps: fields
                .optional("rms_norm_eps", Fields::number)?
                .unwrap_or(defaults.rms_norm_eps),
            norm_offset: family.is_gemma(),
            max_position_embeddings,
            tie_word_embeddings: fields
                .optional("tie_word_embeddings", Fields::flag)?
                .unwrap_or(defaults.tie_word_embeddings),
            score_head: score_head(&fields)?,
            attention: attention(&fields, family, head_dim)?,
            mlp_bias: matches!(family, Family::Llama | Family::SmolLm3)
                && fields.is_set("mlp_bias")?,
            activation: activation(&fields, family)?,
            embedding_scale: if family.is_gemma() { (hidden_size as f64).sqrt() } else { 1.0 },
            final_softcap: match family {
                Family::Gemma2 => {
                    fields.absent_is("final_logit_softcapping", Some(30.0), Fields::factor)?
                }
                Family::Gemma3 => fields.optional("final_logit_softcapping", Fields::factor)?,
                _ => None,
            },
            layers: layers(&fields, &context, count)?,
            router_aux_loss_coef: fields
                .optional("router_aux_loss_coef", Fields::number)?
                .unwrap_or(0.001),
            eos_token_ids: ids("eos_token_id", defaults.eos_token_id)?,
            bos_token_id: ids("bos_token_id", defaults.bos_token_id)?.first().copied(),
            initializer_range: fields
                .optional("initializer_range", Fields::number)?
                .unwrap_or(0.02),
            raw: raw.clone(),
        })
    }
}

/// More layers than any model has are a mistake in the file, and would fill the memory.
fn layer_count(fields: &Fields<'_>) -> Result<usize, ModelError> {
    const MOST: usize = 10_000;
    match fields.positive("num_hidden_layers")? {
        count if count <= MOST => Ok(count),
        count => {
            let expected = format!("at most {MOST}");
            Err(fields.error("num_hidden_layers", count.to_string(), expected))
        }
    }
}

fn family(fields: &Fields<'_>) -> Result<Family, ModelError> {
    let names = Family::ALL.map(Family::model_type);
    let name = fields.one_of("model_type", &names)?;
    let found = Family::ALL.into_iter().find(|family| family.model_type() == name);
    found.ok_or_else(|| fields.error("model_type", name, names.join(", ")))
}

/// What would change the model and isn't supported.
fn refuse(fields: &Fields<'_>, family: Family) -> Result<(), ModelError> {
    for field in ["attention_dropout", "resid_pdrop", "embd_pdrop"] {
        if let Some(dropout) = fields.optional(field, Fields::number)?.filter(|p| *p != 0.0) {
            return Err(fields.error(field, dropout.to_string(), "0: there is no dropout"));
        }
    }
    if let Some(value) = fields.value("quantization_config").filter(|value| !value.is_null()) {
        let expected = "null: weights are F32, F16 or BF16";
        return Err(fields.error("quantization_config", value.to_string(), expected));
    }
    if fields.is_set("use_bidirectional_attention")? {
        return Err(fields.error("use_bidirectional_attention", "true", "false"));
    }
    let capped = fields.optional("attn_logit_softcapping", Fields::factor)?;
    if let (Family::Gemma3, Some(cap)) = (family, capped) {
        let expected = "null: gemma3_text has no cap on scores";
        return Err(fields.error("attn_logit_softcapping", cap.to_string(), expected));
    }
    Ok(())
}

fn head_dim(
    fields: &Fields<'_>,
    family: Family,
    hidden_size: usize,
    heads: usize,
) -> Result<usize, ModelError> {
    let listed = fields.absent_is("head_dim", family.defaults().head_dim, Fields::positive)?;
    let head_dim = match listed {
        Some(head_dim) => head_dim,
        None if hidden_size.is_multiple_of(heads) => hidden_size / heads,
        None => {
            let expected = format!("a divisor of hidden_size = {hidden_size}, or a head_dim");
            return Err(fields.error("num_attention_heads", heads.to_string(), expected));
        }
    };
    if head_dim.is_multiple_of(2) {
        return Ok(head_dim);
    }
    Err(fields.error("head_dim", head_dim.to_string(), "an even number"))
}

fn key_value_heads(fields: &Fields<'_>, family: Family, heads: usize) -> Result<usize, ModelError> {
    const FIELD: &str = "num_key_value_heads";
    let default = family.defaults().key_value_heads;
    let count = fields.absent_is(FIELD, default, Fields::positive)?.unwrap_or(heads);
    if heads.is_multiple_of(count) {
        return Ok(count);
    }
    let expected = format!("a divisor of num_attention_heads = {heads}");
    Err(fields.error(FIELD, count.to_string(), expected))
}

fn attention(
    fields: &Fields<'_>,
    family: Family,
    head_dim: usize,
) -> Result<AttentionSpec, ModelError> {
    let has_flag = !matches!(family, Family::Qwen2 | Family::Mistral | Family::Phi3);
    let bias = has_flag && fields.is_set("attention_bias")?;
    let scaled_by = match family.is_gemma() {
        true => fields
            .absent_is("query_pre_attn_scalar", Some(256.0), Fields::factor)?
            .unwrap_or(head_dim as f64),
        false => head_dim as f64,
    };
    let softcap = match family {
        Family::Gemma2 => fields.absent_is("attn_logit_softcapping", Some(50.0), Fields::factor)?,
        _ => None,
    };
    Ok(AttentionSpec {
        fused: family == Family::Phi3,
        // Qwen 2 always has them, and never one of the output.
        qkv_bias: bias || family == Family::Qwen2,
        o_bias: bias,
        scale: scaled_by.sqrt().recip(),
        softcap,
    })
}

fn activation(fields: &Fields<'_>, family: Family) -> Result<Activation, ModelError> {
    let (field, default) = match family.is_gemma() {
        true => ("hidden_activation", "gelu_pytorch_tanh"),
        false => ("hidden_act", "silu"),
    };
    let known = ["silu", "swish", "gelu_pytorch_tanh"];
    let name = fields.optional(field, |fields, field| fields.one_of(field, &known))?;
    Ok(match name.unwrap_or(default) {
        "gelu_pytorch_tanh" => Activation::GeluTanh,
        _ => Activation::Silu,
    })
}

/// Whether the folder holds a model of scores; one with several labels is refused.
fn score_head(fields: &Fields<'_>) -> Result<bool, ModelError> {
    let names = fields.value("architectures").and_then(Value::as_array);
    let scores = names.into_iter().flatten().filter_map(Value::as_str);
    if !scores.into_iter().any(|name| name.ends_with("ForSequenceClassification")) {
        return Ok(false);
    }
    let labels = match fields.value("id2label").and_then(Value::as_object) {
        Some(labels) => labels.len(),
        None => fields.optional("num_labels", Fields::positive)?.unwrap_or(2),
    };
    if labels == 1 {
        return Ok(true);
    }
    let expected = "one label: a model of scores, not of classes".to_owned();
    Err(fields.error("num_labels", labels.to_string(), expected))
}
