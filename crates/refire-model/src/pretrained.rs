use crate::{ModelConfig, ModelError};
use refire_objective::Dtype;
use serde_json::{Value, json};
use std::path::Path;

/// Writes `config.json` (what was read, with the number format of the new weights) and
/// `generation_config.json`.
pub(crate) fn write_config(
    config: &ModelConfig,
    dir: &Path,
    dtype: Dtype,
) -> Result<(), ModelError> {
    let mut raw = config.raw.clone();
    let name = match dtype {
        Dtype::F32 => "float32",
        Dtype::Bf16 => "bfloat16",
        Dtype::F16 => "float16",
    };
    let key = if raw.contains_key("dtype") { "dtype" } else { "torch_dtype" };
    raw.insert(key.to_owned(), json!(name));
    write_json(&dir.join("config.json"), &Value::Object(raw))?;
    let generation = json!({
        "bos_token_id": config.bos_token_id,
        "eos_token_id": config.eos_token_ids,
    });
    write_json(&dir.join("generation_config.json"), &generation)
}

fn write_json(path: &Path, value: &Value) -> Result<(), ModelError> {
    let text = serde_json::to_vec_pretty(value).map_err(ModelError::json(path))?;
    std::fs::write(path, text).map_err(ModelError::io(path))
}
