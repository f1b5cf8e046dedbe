//! What each layer is made of.

use super::fields::Fields;
use super::rope::{self, Context};
use super::{Family, LayerSpec, MlpSpec, MoeSpec, NormPlacement, QkNorm, Rope};
use crate::ModelError;
use serde_json::Value;

const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

/// The specification of every layer.
pub(super) fn layers(
    fields: &Fields<'_>,
    context: &Context,
    count: usize,
) -> Result<Vec<LayerSpec>, ModelError> {
    let family = context.family;
    let rotated = rotated(fields, family, count)?;
    let windows = windows(fields, family, count, &rotated)?;
    let ropes = ropes(fields, context, &windows)?;
    let mlps = mlps(fields, family, count)?;
    let parts = rotated.into_iter().zip(ropes).zip(windows.into_iter().zip(mlps));
    let layer =
        |((rotated, rope), (window, mlp)): ((bool, Rope), (Option<usize>, MlpSpec))| LayerSpec {
            norms: match family {
                Family::Olmo2 => NormPlacement::Post,
                family if family.is_gemma() => NormPlacement::Sandwich,
                _ => NormPlacement::Pre,
            },
            qk_norm: match family {
                Family::Qwen3 | Family::Qwen3Moe | Family::Gemma3 => Some(QkNorm::Head),
                Family::Olmo2 => Some(QkNorm::Projection),
                _ => None,
            },
            rope: rotated.then_some(rope),
            window,
            mlp,
        };
    Ok(parts.map(layer).collect())
}

/// Which layers have rotary positions: SmolLM3 leaves some without.
fn rotated(fields: &Fields<'_>, family: Family, count: usize) -> Result<Vec<bool>, ModelError> {
    if family != Family::SmolLm3 {
        return Ok(vec![true; count]);
    }
    let listed = fields.optional("no_rope_layers", Fields::indices)?;
    let Some(listed) = listed else {
        let every = fields.optional("no_rope_layer_interval", Fields::positive)?.unwrap_or(4);
        return Ok((1..=count).map(|layer| layer % every != 0).collect());
    };
    if listed.len() < count {
        let (found, expected) = (listed.len(), "0 or 1 for each of the layers");
        return Err(fields.error("no_rope_layers", format!("{found} values"), expected));
    }
    // 1 means that the layer has a rope.
    Ok(listed.into_iter().take(count).map(|rope| rope != 0).collect())
}

/// How far each layer sees.
fn windows(
    fields: &Fields<'_>,
    family: Family,
    count: usize,
    rotated: &[bool],
) -> Result<Vec<Option<usize>>, ModelError> {
    let window = window(fields, family)?;
    let sliding: Vec<bool> = match family {
        Family::Llama | Family::Olmo2 => return Ok(vec![None; count]),
        Family::Mistral | Family::Phi3 | Family::Qwen3Moe => return Ok(vec![window; count]),
        _ => match layer_types(fields, count)? {
            Some(listed) => listed,
            None => pattern(fields, family, count, rotated, window)?,
        },
    };
    if sliding.contains(&true) && window.is_none() {
        let expected = format!("a positive integer in use, as some layers are `{SLIDING}`");
        return Err(fields.error("sliding_window", "none", expected));
    }
    Ok(sliding.into_iter().map(|sliding| window.filter(|_| sliding)).collect())
}

fn window(fields: &Fields<'_>, family: Family) -> Result<Option<usize>, ModelError> {
    let switched = matches!(family, Family::Qwen2 | Family::Qwen3 | Family::Qwen3Moe);
    if switched && !fields.is_set("use_sliding_window")? {
        return Ok(None);
    }
    fields.absent_is("sliding_window", family.defaults().sliding_window, Fields::positive)
}

/// The listed types of layers: true for those with a window.
fn layer_types(fields: &Fields<'_>, count: usize) -> Result<Option<Vec<bool>>, ModelError> {
    let expected = || format!("a list of {FULL} and {SLIDING}, one for each of {count} layers");
    let Some(value) = fields.value("layer_types").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let wrong = |found: String| fields.error("layer_types", found, expected());
    let listed = value.as_array().ok_or_else(|| wrong(value.to_string()))?;
    if listed.len() != count {
        return Err(wrong(format!("a list of {}", listed.len())));
    }
    let sliding = |kind: &Value| match kind.as_str() {
        Some(FULL) => Ok(false),
        Some(SLIDING) => Ok(true),
        _ => Err(wrong(format!("a list with {kind}"))),
    };
    listed.iter().map(sliding).collect::<Result<_, _>>().map(Some)
}

/// Which layers have a window where no list says so.
fn pattern(
    fields: &Fields<'_>,
    family: Family,
    count: usize,
    rotated: &[bool],
    window: Option<usize>,
) -> Result<Vec<bool>, ModelError> {
    let layers = 0..count;
    Ok(match family {
        Family::Qwen2 | Family::Qwen3 => {
            let full = fields.absent_is("max_window_layers", Some(28), Fields::whole)?.unwrap_or(0);
            layers.map(|layer| window.is_some() && layer >= full).collect()
        }
        Family::SmolLm3 => {
            let used = window.is_some() && fields.is_set("use_sliding_window")?;
            rotated.iter().map(|rotated| used && !rotated).collect()
        }
        Family::Gemma3 => {
            let every = fields.optional("sliding_window_pattern", Fields::positive)?.unwrap_or(6);
            layers.map(|layer| (layer + 1) % every != 0).collect()
        }
        _ => layers.map(|layer| layer % 2 == 0).collect(),
    })
}

fn ropes(
    fields: &Fields<'_>,
    context: &Context,
    windows: &[Option<usize>],
) -> Result<Vec<Rope>, ModelError> {
    if context.family != Family::Gemma3 {
        return Ok(vec![rope::single(fields, context)?; windows.len()]);
    }
    let [local, global] = rope::local_and_global(fields, context)?;
    let pick = |window: &Option<usize>| if window.is_some() { &local } else { &global }.clone();
    Ok(windows.iter().map(pick).collect())
}

fn mlps(fields: &Fields<'_>, family: Family, count: usize) -> Result<Vec<MlpSpec>, ModelError> {
    let dense = MlpSpec::Dense { fused: family == Family::Phi3 };
    if family != Family::Qwen3Moe {
        return Ok(vec![dense; count]);
    }
    let name = if fields.has("num_experts") { "num_experts" } else { "num_local_experts" };
    let number = |field: &str, default| fields.absent_is(field, Some(default), Fields::whole);
    let experts = number(name, 128)?.unwrap_or(0);
    let spec = MoeSpec {
        experts,
        active: number("num_experts_per_tok", 8)?.unwrap_or(0),
        width: number("moe_intermediate_size", 768)?.unwrap_or(0),
        normalize: fields.is_set("norm_topk_prob")?,
    };
    let step = fields.optional("decoder_sparse_step", Fields::positive)?.unwrap_or(1);
    let dense_layers = fields.optional("mlp_only_layers", Fields::indices)?.unwrap_or_default();
    let sparse = |layer| !dense_layers.contains(&layer) && experts > 0 && (layer + 1) % step == 0;
    let layers: Vec<_> = (0..count).map(sparse).collect();
    if layers.contains(&true) {
        if !(1..=experts).contains(&spec.active) {
            let expected = format!("from 1 to the number of experts, {experts}");
            return Err(fields.error("num_experts_per_tok", spec.active.to_string(), expected));
        }
        if spec.width == 0 {
            return Err(fields.error("moe_intermediate_size", "0", "a positive integer"));
        }
    }
    let mlp = |sparse| if sparse { MlpSpec::Experts(spec) } else { dense };
    Ok(layers.into_iter().map(mlp).collect())
}
