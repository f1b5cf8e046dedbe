//! Rotary positions: keys of the metadata, and tensors with a divisor for each frequency.

use super::GgufFile;
use super::config::fields;
use super::keys::Keys;
use crate::{Family, ModelError, Rope, RopeScaling};
use serde_json::{Map, Value, json};

const FACTORS: &str = "rope_freqs.weight";
const LONG: &str = "rope_factors_long.weight";
const SHORT: &str = "rope_factors_short.weight";
const TYPE: &str = "rope.scaling.type";
const FACTOR: &str = "rope.scaling.factor";
const ATTENTION: &str = "rope.scaling.attn_factor";

/// Tensors that belong to positions.
pub(super) const TENSORS: [&str; 3] = [FACTORS, LONG, SHORT];

/// The rope's fields of `config.json`; `raw` has those with the sizes.
pub(super) fn rope(
    file: &GgufFile,
    family: Family,
    keys: &mut Keys<'_>,
    raw: &Map<String, Value>,
) -> Result<Map<String, Value>, ModelError> {
    let size = |name: &str| raw.get(name).and_then(Value::as_u64).unwrap_or(0) as usize;
    let (context, head_dim) = (size("max_position_embeddings"), size("head_dim"));
    let theta = keys.number("rope.freq_base")?.unwrap_or(10_000.0);
    let rotated = keys.size("rope.dimension_count")?.unwrap_or(head_dim);
    if rotated != head_dim && family != Family::Phi3 {
        let expected = format!("{head_dim}, the width of a head");
        return Err(keys.error("rope.dimension_count", rotated.to_string(), expected));
    }
    let original = keys.size("rope.scaling.original_context_length")?;
    let by_keys = by_keys(keys, original)?;
    let by_tensors = by_tensors(file, keys, &Rope::new(theta), head_dim, context)?;
    if let (Some(_), Some(_)) = (&by_keys, &by_tensors) {
        let expected = "none beside a tensor of factors";
        return Err(keys.error(TYPE, "present", expected));
    }
    let scaling = by_keys.or(by_tensors);
    if scaling.is_none() {
        keys.only(ATTENTION, 1.0)?;
    }
    let mut found = fields([("rope_theta", json!(theta)), ("rope_scaling", json!(scaling))]);
    match family {
        Family::Gemma3 => {
            let local = keys.number("rope.freq_base_swa")?.unwrap_or(10_000.0);
            found.insert("rope_local_base_freq".to_owned(), json!(local));
        }
        Family::Phi3 => {
            let original = original.unwrap_or(context);
            found.insert("original_max_position_embeddings".to_owned(), json!(original));
            let partial = rotated as f64 / head_dim as f64;
            found.insert("partial_rotary_factor".to_owned(), json!(partial));
        }
        _ => {}
    }
    Ok(found)
}

/// What the keys say of stretching. A factor alone means that positions are divided by it.
fn by_keys(keys: &mut Keys<'_>, original: Option<usize>) -> Result<Option<Value>, ModelError> {
    let factor = keys.number(FACTOR)?.filter(|factor| *factor != 0.0);
    let kind = keys.text(TYPE)?;
    match (kind, factor) {
        (None, None) | (Some("none" | "longrope"), _) => Ok(None),
        (None | Some("linear"), Some(factor)) => {
            Ok(Some(json!({"rope_type": "linear", "factor": factor})))
        }
        (Some("yarn"), Some(factor)) => {
            let mut yarn = fields([("rope_type", json!("yarn")), ("factor", json!(factor))]);
            let mut set = |name: &str, value: Option<f64>| {
                value.and_then(|value| yarn.insert(name.to_owned(), json!(value)));
            };
            set("beta_fast", keys.number("rope.scaling.yarn_beta_fast")?);
            set("beta_slow", keys.number("rope.scaling.yarn_beta_slow")?);
            // ggml multiplies what YaRN has by itself.
            let own = 0.1 * factor.ln() + 1.0;
            set("attention_factor", keys.number(ATTENTION)?.map(|more| more * own));
            if let Some(original) = original {
                yarn.insert("original_max_position_embeddings".to_owned(), json!(original));
            }
            Ok(Some(Value::Object(yarn)))
        }
        (Some("linear" | "yarn"), None) => Err(keys.error(FACTOR, "missing", "a number")),
        (Some(other), _) => {
            Err(keys.error(TYPE, format!("{other:?}"), "none, linear, yarn or longrope"))
        }
    }
}

/// What tensors of divisors say.
fn by_tensors(
    file: &GgufFile,
    keys: &mut Keys<'_>,
    rope: &Rope,
    head_dim: usize,
    context: usize,
) -> Result<Option<Value>, ModelError> {
    if file.tensors().contains_key(LONG) {
        return Ok(Some(json!({
            "rope_type": "longrope",
            "long_factor": shortest(&file.values(LONG)?),
            "short_factor": shortest(&file.values(SHORT)?),
            "attention_factor": keys.number(ATTENTION)?.unwrap_or(1.0),
        })));
    }
    if !file.tensors().contains_key(FACTORS) {
        return Ok(None);
    }
    let divisors = file.values(FACTORS)?;
    Ok(Some(llama3(&divisors, rope, head_dim).unwrap_or_else(|| {
        // The same divisors for rows of any length.
        let divisors = shortest(&divisors);
        json!({
            "rope_type": "longrope",
            "short_factor": divisors,
            "long_factor": divisors,
            "attention_factor": 1.0,
            "original_max_position_embeddings": context,
        })
    })))
}

/// Llama 3's parameters, if these are its divisors; a converted file doesn't keep them.
fn llama3(divisors: &[f32], rope: &Rope, head_dim: usize) -> Option<Value> {
    let factor = divisors.iter().copied().fold(1.0, f32::max);
    let (low, high, original) = (1.0, 4.0, 8192);
    let scaling = RopeScaling::Llama3 {
        factor: f64::from(factor),
        low_freq_factor: low,
        high_freq_factor: high,
        original_max_position_embeddings: f64::from(original),
    };
    let scaled = Rope { scaling, ..rope.clone() }.frequencies(head_dim, 1);
    let plain = rope.frequencies(head_dim, 1);
    let near = |(divisor, (plain, scaled)): (&f32, (f64, f64))| {
        (f64::from(*divisor) * scaled / plain - 1.0).abs() < 1e-4
    };
    let same = divisors.len() == plain.len()
        && divisors.iter().zip(plain.into_iter().zip(scaled)).all(near);
    same.then(|| {
        json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low,
            "high_freq_factor": high,
            "original_max_position_embeddings": original,
        })
    })
}

/// As 64-bit numbers that are written in few digits.
fn shortest(values: &[f32]) -> Vec<f64> {
    let shortest = |value: &f32| value.to_string().parse().unwrap_or_else(|_| f64::from(*value));
    values.iter().map(shortest).collect()
}
