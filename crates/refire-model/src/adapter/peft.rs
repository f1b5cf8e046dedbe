//! `adapter_config.json` of PEFT.

use super::{AdapterInit, Bias, LoraConfig, Patterns, TargetModules, options};
use crate::ModelError;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::Path;

pub(super) const CONFIG: &str = "adapter_config.json";
pub(super) const WEIGHTS: &str = "adapter_model.safetensors";

/// The fields that are read; what a file leaves out is what PEFT assumes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    r: Option<usize>,
    lora_alpha: Option<f64>,
    lora_dropout: Option<f64>,
    target_modules: Option<TargetModules>,
    exclude_modules: Option<TargetModules>,
    layers_to_transform: Option<OneOrMany<usize>>,
    layers_pattern: Option<OneOrMany<String>>,
    rank_pattern: Option<Patterns<usize>>,
    alpha_pattern: Option<Patterns<f64>>,
    use_rslora: Option<bool>,
    use_dora: Option<bool>,
    bias: Option<Bias>,
    modules_to_save: Option<Vec<String>>,
    init_lora_weights: Option<Value>,
    base_model_name_or_path: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// Reads a folder's configuration.
pub(super) fn read_config(dir: &Path) -> Result<LoraConfig, ModelError> {
    let file = dir.join(CONFIG);
    let text = std::fs::read_to_string(&file).map_err(ModelError::io(&file))?;
    let raw: Map<String, Value> = serde_json::from_str(&text).map_err(ModelError::json(&file))?;
    options::check(&file, &raw)?;
    let fields: Fields = serde_json::from_str(&text).map_err(ModelError::json(&file))?;
    let Some(target_modules) = fields.target_modules else {
        return Err(ModelError::Field {
            file,
            field: "target_modules".to_owned(),
            found: "missing".to_owned(),
            expected: "names, a pattern or \"all-linear\"".to_owned(),
        });
    };
    let defaults = LoraConfig::default();
    let gaussian = fields.init_lora_weights == Some(json!("gaussian"));
    let config = LoraConfig {
        r: fields.r.unwrap_or(defaults.r),
        lora_alpha: fields.lora_alpha.unwrap_or(defaults.lora_alpha),
        lora_dropout: fields.lora_dropout.unwrap_or(0.0),
        target_modules,
        exclude_modules: fields.exclude_modules.filter(|modules| *modules != none()),
        layers_to_transform: fields
            .layers_to_transform
            .map(OneOrMany::into_vec)
            .filter(|layers| !layers.is_empty()),
        layers_pattern: fields.layers_pattern.map(OneOrMany::into_vec).unwrap_or_default(),
        rank_pattern: fields.rank_pattern.unwrap_or_default(),
        alpha_pattern: fields.alpha_pattern.unwrap_or_default(),
        use_rslora: fields.use_rslora.unwrap_or(false),
        use_dora: fields.use_dora.unwrap_or(false),
        bias: fields.bias.unwrap_or_default(),
        modules_to_save: fields.modules_to_save.unwrap_or_default(),
        init_lora_weights: if gaussian { AdapterInit::Gaussian } else { AdapterInit::Kaiming },
        base_model_name_or_path: fields.base_model_name_or_path,
    };
    match config.validate().into_iter().next() {
        Some(problem) => {
            let reason = format!("{}: {problem}", file.display());
            Err(ModelError::Adapter { reason })
        }
        None => Ok(config),
    }
}

fn none() -> TargetModules {
    TargetModules::Names(Vec::new())
}

/// The configuration as PEFT writes it, with the targets that a network has.
pub(super) fn fields(config: &LoraConfig, targets: Vec<String>, scores: bool) -> Value {
    let optional = |names: &[String]| match names {
        [] => Value::Null,
        names => json!(names),
    };
    let target_modules = match &config.target_modules {
        TargetModules::AllLinear => json!(targets),
        other => json!(other),
    };
    let init = match config.init_lora_weights {
        AdapterInit::Kaiming => json!(true),
        AdapterInit::Gaussian => json!("gaussian"),
    };
    json!({
        "alpha_pattern": config.alpha_pattern,
        "auto_mapping": null,
        "base_model_name_or_path": config.base_model_name_or_path,
        "bias": config.bias,
        "exclude_modules": config.exclude_modules,
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": init,
        "layers_pattern": optional(&config.layers_pattern),
        "layers_to_transform": config.layers_to_transform,
        "lora_alpha": number(config.lora_alpha),
        "lora_bias": false,
        "lora_dropout": config.lora_dropout,
        "modules_to_save": optional(&config.modules_to_save),
        "peft_type": "LORA",
        "r": config.r,
        "rank_pattern": config.rank_pattern,
        "revision": null,
        "target_modules": target_modules,
        "task_type": if scores { "SEQ_CLS" } else { "CAUSAL_LM" },
        "use_dora": config.use_dora,
        "use_rslora": config.use_rslora,
    })
}

/// A whole number without a fraction: some readers take integers only.
fn number(value: f64) -> Value {
    let whole = value as i64;
    if whole as f64 == value { json!(whole) } else { json!(value) }
}
