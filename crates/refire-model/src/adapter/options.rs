//! Options of PEFT's that would change the model and aren't supported.

use crate::ModelError;
use serde_json::{Map, Value};
use std::path::Path;

/// What says nothing about the numbers: where it comes from and what it is for.
const NOTES: [&str; 9] = [
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "revision",
    "task_type",
];

/// What is read.
const KNOWN: [&str; 15] = [
    "alpha_pattern",
    "bias",
    "exclude_modules",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "modules_to_save",
    "r",
    "rank_pattern",
    "runtime_config",
    "target_modules",
    "use_dora",
    "use_rslora",
];

/// Ways to begin that leave the base weights alone: how `A` was made doesn't matter later.
const INNOCENT: [&str; 3] = ["gaussian", "orthogonal", "eva"];

/// Refuses an adapter that isn't a LoRA, or that does more than we know.
pub(super) fn check(file: &Path, fields: &Map<String, Value>) -> Result<(), ModelError> {
    let refuse = |field: &str, found: &Value, expected: &str| {
        Err(ModelError::Field {
            file: file.to_owned(),
            field: field.to_owned(),
            found: found.to_string(),
            expected: expected.to_owned(),
        })
    };
    match fields.get("peft_type") {
        Some(kind) if kind == "LORA" => {}
        kind => return refuse("peft_type", kind.unwrap_or(&Value::Null), "\"LORA\""),
    }
    let others = fields
        .iter()
        .filter(|(field, _)| !NOTES.contains(&field.as_str()) && !KNOWN.contains(&field.as_str()));
    for (field, value) in others {
        if !is_off(value) {
            return refuse(field, value, "null or false: this option of PEFT isn't supported");
        }
    }
    match fields.get("init_lora_weights") {
        None | Some(Value::Bool(_) | Value::Null) => Ok(()),
        Some(Value::String(name)) if INNOCENT.contains(&name.as_str()) => Ok(()),
        Some(other) => {
            let expected = "true, \"gaussian\", \"orthogonal\" or \"eva\": other ways change the \
                            base weights (convert the adapter with PEFT first)";
            refuse("init_lora_weights", other, expected)
        }
    }
}

/// Whether an option's value asks for nothing.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}
