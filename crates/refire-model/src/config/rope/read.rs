use super::super::{Family, fields::Fields};
use super::{Rope, RopeScaling};
use crate::ModelError;
use serde_json::Value;

const ORIGINAL: &str = "original_max_position_embeddings";
const PARTIAL: &str = "partial_rotary_factor";

/// What the reading of a rope needs to know of the model.
pub(in super::super) struct Context {
    pub(in super::super) family: Family,
    pub(in super::super) head_dim: usize,
    pub(in super::super) max_position_embeddings: usize,
}

/// The rope of all layers: `rope_scaling` where it says something, else `rope_parameters`.
pub(in super::super) fn single(top: &Fields<'_>, context: &Context) -> Result<Rope, ModelError> {
    let old = top.object("rope_scaling")?.filter(|rope| rope.iter().next().is_some());
    let rope = match old {
        Some(old) => Some(old),
        None => top.object("rope_parameters")?,
    };
    let default = context.family.defaults().rope_theta;
    let theta = theta(rope.as_ref(), top, "rope_theta", default)?;
    let Some(rope) = rope else {
        let partial_rotary_factor = partial(top, top, context)?;
        return Ok(Rope { partial_rotary_factor, ..Rope::new(theta) });
    };
    if let Some((name, value)) = rope.iter().find(|(_, value)| value.is_object()) {
        let expected = "no object: only gemma3_text has a rope for each type of layer";
        return Err(rope.error(name, value.to_string(), expected));
    }
    // transformers gives a field beside the rope's own precedence, and phi3 always has one.
    let beside = top.optional(ORIGINAL, Fields::positive)?;
    let beside = beside.or((context.family == Family::Phi3).then_some(4096));
    let original =
        beside.map_or_else(|| rope.optional(ORIGINAL, Fields::positive), |n| Ok(Some(n)));
    read(&rope, top, theta, original?, context)
}

/// The two ropes of Gemma 3: of layers with a window, and of the others.
pub(in super::super) fn local_and_global(
    top: &Fields<'_>,
    context: &Context,
) -> Result<[Rope; 2], ModelError> {
    const LAYERS: [&str; 2] = ["sliding_attention", "full_attention"];
    let new = top.object("rope_parameters")?;
    if let Some(flat) = new.as_ref().and_then(|new| {
        new.iter().map(|(name, _)| name).find(|name| !LAYERS.contains(&name.as_str()))
    }) {
        let found = format!("an object with `{flat}`");
        return Err(top.error("rope_parameters", found, format!("only {}", LAYERS.join(", "))));
    }
    let part = |name| match &new {
        Some(new) => new.object(name),
        None => Ok(None),
    };
    let scaling = top.object("rope_scaling")?;
    let global = match (part(LAYERS[1])?, scaling) {
        (Some(global), Some(scaling)) => Some(global.overlaid(&scaling)),
        (global, scaling) => scaling.or(global),
    };
    let one = |rope: Option<Fields<'_>>, field, default| {
        let theta = theta(rope.as_ref(), top, field, default)?;
        let Some(rope) = rope else { return Ok(Rope::new(theta)) };
        let original = rope.optional(ORIGINAL, Fields::positive)?;
        read(&rope, top, theta, original, context)
    };
    Ok([
        one(part(LAYERS[0])?, "rope_local_base_freq", 10_000.0)?,
        one(global, "rope_theta", 1_000_000.0)?,
    ])
}

/// The base: the rope's own, else the file's.
fn theta(
    rope: Option<&Fields<'_>>,
    top: &Fields<'_>,
    field: &str,
    default: f64,
) -> Result<f64, ModelError> {
    let own = match rope {
        Some(rope) => rope.optional("rope_theta", Fields::factor)?,
        None => None,
    };
    match own {
        Some(theta) => Ok(theta),
        None => Ok(top.optional(field, Fields::factor)?.unwrap_or(default)),
    }
}

/// The part of a head that is rotated, which only phi3 limits.
fn partial(rope: &Fields<'_>, top: &Fields<'_>, context: &Context) -> Result<f64, ModelError> {
    let place = if rope.has(PARTIAL) { rope } else { top };
    let Some(part) = place.optional(PARTIAL, Fields::factor)? else { return Ok(1.0) };
    let (expected, fits) = match context.family {
        Family::Phi3 => {
            let pairs = part * context.head_dim as f64 >= 1.0;
            ("at most 1, with a dimension to rotate".to_owned(), part <= 1.0 && pairs)
        }
        family => (format!("1 for {}", family.model_type()), part == 1.0),
    };
    if fits { Ok(part) } else { Err(place.error(PARTIAL, part.to_string(), expected)) }
}

fn read(
    rope: &Fields<'_>,
    top: &Fields<'_>,
    theta: f64,
    original: Option<usize>,
    context: &Context,
) -> Result<Rope, ModelError> {
    let partial_rotary_factor = partial(rope, top, context)?;
    let mut read = Rope { theta, partial_rotary_factor, scaling: RopeScaling::Default };
    let pairs = read.dims(context.head_dim).div_ceil(2);
    let original = original.unwrap_or(context.max_position_embeddings);
    read.scaling = match kind(rope, context.family)? {
        "linear" => RopeScaling::Linear { factor: rope.factor("factor")? },
        "dynamic" if context.head_dim <= 2 => {
            return Err(rope.error(
                "rope_type",
                "dynamic",
                "another where heads have 2 dimensions",
            ));
        }
        "dynamic" => RopeScaling::Dynamic {
            factor: rope.factor("factor")?,
            original_max_position_embeddings: context.max_position_embeddings,
        },
        "llama3" => llama3(rope, original)?,
        "yarn" => yarn(rope, original, context)?,
        "longrope" => longrope(rope, original, pairs, context)?,
        _ => RopeScaling::Default,
    };
    Ok(read)
}

/// The type's name; older files say `type`, and older ones of phi3 have other names.
fn kind(rope: &Fields<'_>, family: Family) -> Result<&'static str, ModelError> {
    let field = if rope.has("rope_type") { "rope_type" } else { "type" };
    let known: &[&'static str] = match family {
        Family::Phi3 => &["default", "longrope", "su", "yarn"],
        _ => &["default", "linear", "dynamic", "yarn", "longrope", "llama3"],
    };
    match rope.optional(field, |rope, field| rope.one_of(field, known))? {
        Some("su" | "yarn") if family == Family::Phi3 => Ok("longrope"),
        Some(kind) => Ok(kind),
        None if rope.value(field).is_some_and(Value::is_null) => {
            Err(rope.error(field, "null", format!("one of {}", known.join(", "))))
        }
        None => Ok("default"),
    }
}

fn llama3(rope: &Fields<'_>, original: usize) -> Result<RopeScaling, ModelError> {
    let (low, high) = (rope.factor("low_freq_factor")?, rope.factor("high_freq_factor")?);
    if low >= high {
        let expected = format!("below high_freq_factor = {high}");
        return Err(rope.error("low_freq_factor", low.to_string(), expected));
    }
    Ok(RopeScaling::Llama3 {
        factor: rope.factor("factor")?,
        low_freq_factor: low,
        high_freq_factor: high,
        original_max_position_embeddings: original as f64,
    })
}

fn yarn(rope: &Fields<'_>, original: usize, context: &Context) -> Result<RopeScaling, ModelError> {
    let factor = factor(rope, original, context)?;
    let scale = |mscale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * mscale * factor.ln() + 1.0 };
    let attention_factor = match rope.optional("attention_factor", Fields::factor)? {
        Some(factor) => factor,
        None => {
            let mscale = rope.optional("mscale", Fields::number)?;
            let all = rope.optional("mscale_all_dim", Fields::number)?;
            match (mscale, all) {
                (Some(mscale), Some(all)) if mscale != 0.0 && all != 0.0 => {
                    scale(mscale) / scale(all)
                }
                _ => scale(1.0),
            }
        }
    };
    Ok(RopeScaling::Yarn {
        factor,
        attention_factor,
        beta_fast: rope.optional("beta_fast", Fields::factor)?.unwrap_or(32.0),
        beta_slow: rope.optional("beta_slow", Fields::factor)?.unwrap_or(1.0),
        original_max_position_embeddings: original as f64,
        truncate: rope.optional("truncate", Fields::flag)?.unwrap_or(true),
    })
}

fn longrope(
    rope: &Fields<'_>,
    original: usize,
    pairs: usize,
    context: &Context,
) -> Result<RopeScaling, ModelError> {
    let attention_factor = match rope.optional("attention_factor", Fields::factor)? {
        Some(factor) => factor,
        None => match factor(rope, original, context)? {
            factor if factor <= 1.0 => 1.0,
            factor => (1.0 + factor.ln() / (original as f64).ln()).sqrt(),
        },
    };
    Ok(RopeScaling::LongRope {
        short_factor: rope.factors("short_factor", pairs)?,
        long_factor: rope.factors("long_factor", pairs)?,
        attention_factor,
        original_max_position_embeddings: original,
    })
}

/// How much longer the context has become.
fn factor(rope: &Fields<'_>, original: usize, context: &Context) -> Result<f64, ModelError> {
    let implied = context.max_position_embeddings as f64 / original as f64;
    Ok(rope.optional("factor", Fields::factor)?.unwrap_or(implied))
}
