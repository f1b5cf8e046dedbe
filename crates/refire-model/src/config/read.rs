use super::{ModelConfig, Rope, RopeScaling};
use crate::ModelError;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

impl ModelConfig {
    /// Reads `config.json` of a folder: the old flat style (`rope_theta`, `rope_scaling`) and that
    /// of transformers 5 (`rope_parameters`).
    ///
    /// # Errors
    /// Names the file and the field for an unknown `model_type` or rope type, and for fields that
    /// are missing, of the wrong type or out of range.
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
        let fields = Fields { map: &raw, path: path.to_owned(), prefix: "" };
        fields.one_of("model_type", &["llama"])?;
        if raw.get("hidden_act").is_some() {
            fields.one_of("hidden_act", &["silu", "swish"])?;
        }
        let heads = fields.positive("num_attention_heads")?;
        let hidden_size = fields.positive("hidden_size")?;
        let config = Self {
            vocab_size: fields.positive("vocab_size")?,
            hidden_size,
            intermediate_size: fields.positive("intermediate_size")?,
            num_hidden_layers: fields.positive("num_hidden_layers")?,
            num_attention_heads: heads,
            num_key_value_heads: fields
                .optional("num_key_value_heads", Fields::positive)?
                .unwrap_or(heads),
            head_dim: fields.optional("head_dim", Fields::positive)?.unwrap_or(hidden_size / heads),
            rms_norm_eps: fields.optional("rms_norm_eps", Fields::number)?.unwrap_or(1e-6),
            max_position_embeddings: fields.positive("max_position_embeddings")?,
            tie_word_embeddings: fields
                .optional("tie_word_embeddings", Fields::flag)?
                .unwrap_or(false),
            score_head: score_head(&fields)?,
            attention_bias: fields.optional("attention_bias", Fields::flag)?.unwrap_or(false),
            mlp_bias: fields.optional("mlp_bias", Fields::flag)?.unwrap_or(false),
            rope: rope(&fields)?,
            eos_token_ids: fields.optional("eos_token_id", Fields::ids)?.unwrap_or_default(),
            bos_token_id: fields
                .optional("bos_token_id", Fields::ids)?
                .and_then(|ids| ids.first().copied()),
            initializer_range: fields
                .optional("initializer_range", Fields::number)?
                .unwrap_or(0.02),
            raw: raw.clone(),
        };
        let (q, kv) = (config.num_attention_heads, config.num_key_value_heads);
        if !q.is_multiple_of(kv) {
            let expected = format!("a divisor of num_attention_heads = {q}");
            return Err(fields.error("num_key_value_heads", kv.to_string(), expected));
        }
        if !config.head_dim.is_multiple_of(2) {
            return Err(fields.error("head_dim", config.head_dim.to_string(), "an even number"));
        }
        Ok(config)
    }
}

/// Whether the folder holds a model of scores; one with several labels is refused.
fn score_head(fields: &Fields<'_>) -> Result<bool, ModelError> {
    let names = fields.map.get("architectures").and_then(Value::as_array);
    let scores = names.into_iter().flatten().filter_map(Value::as_str);
    if !scores.into_iter().any(|name| name.ends_with("ForSequenceClassification")) {
        return Ok(false);
    }
    let labels = match fields.map.get("id2label").and_then(Value::as_object) {
        Some(labels) => labels.len(),
        None => fields.optional("num_labels", Fields::positive)?.unwrap_or(2),
    };
    if labels == 1 {
        return Ok(true);
    }
    let expected = "one label: a model of scores, not of classes".to_owned();
    Err(fields.error("num_labels", labels.to_string(), expected))
}

fn rope(fields: &Fields<'_>) -> Result<Rope, ModelError> {
    let new = fields.object("rope_parameters")?;
    let old = fields.object("rope_scaling")?;
    let theta = match &new {
        Some(rope) => rope.optional("rope_theta", Fields::number)?,
        None => None,
    };
    let theta = match theta {
        Some(theta) => theta,
        None => fields.optional("rope_theta", Fields::number)?.unwrap_or(10_000.0),
    };
    if !(theta.is_finite() && theta > 0.0) {
        return Err(fields.error("rope_theta", theta.to_string(), "a positive number"));
    }
    let scaling = match new.or(old) {
        Some(rope) => scaling(&rope, fields)?,
        None => RopeScaling::Default,
    };
    Ok(Rope { theta, scaling })
}

fn scaling(rope: &Fields<'_>, top: &Fields<'_>) -> Result<RopeScaling, ModelError> {
    // Older files say `type`.
    let name = if rope.map.contains_key("rope_type") { "rope_type" } else { "type" };
    match rope.one_of(name, &["default", "linear", "llama3"])? {
        "linear" => Ok(RopeScaling::Linear { factor: rope.factor("factor")? }),
        "llama3" => {
            const ORIGINAL: &str = "original_max_position_embeddings";
            let original = if rope.map.contains_key(ORIGINAL) { rope } else { top };
            let (low, high) = (rope.factor("low_freq_factor")?, rope.factor("high_freq_factor")?);
            if low >= high {
                let expected = format!("below high_freq_factor = {high}");
                return Err(rope.error("low_freq_factor", low.to_string(), expected));
            }
            Ok(RopeScaling::Llama3 {
                factor: rope.factor("factor")?,
                low_freq_factor: low,
                high_freq_factor: high,
                original_max_position_embeddings: original.factor(ORIGINAL)?,
            })
        }
        _ => Ok(RopeScaling::Default),
    }
}

/// Typed access to the fields of a JSON object, with errors that name file and field.
struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: PathBuf,
    prefix: &'static str,
}

impl<'a> Fields<'a> {
    fn error(
        &self,
        field: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> ModelError {
        ModelError::Field {
            file: self.path.clone(),
            field: format!("{}{field}", self.prefix),
            found: found.into(),
            expected: expected.into(),
        }
    }

    fn get(&self, field: &str, expected: &str) -> Result<&'a Value, ModelError> {
        self.map.get(field).ok_or_else(|| self.error(field, "missing", expected))
    }

    /// `None` for a field that is absent or null.
    fn optional<T>(
        &self,
        field: &'static str,
        read: impl Fn(&Self, &str) -> Result<T, ModelError>,
    ) -> Result<Option<T>, ModelError> {
        match self.map.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => read(self, field).map(Some),
        }
    }

    fn positive(&self, field: &str) -> Result<usize, ModelError> {
        const EXPECTED: &str = "a positive integer";
        let value = self.get(field, EXPECTED)?;
        match value.as_u64().and_then(|v| usize::try_from(v).ok()) {
            Some(number) if number > 0 => Ok(number),
            _ => Err(self.error(field, value.to_string(), EXPECTED)),
        }
    }

    fn number(&self, field: &str) -> Result<f64, ModelError> {
        let value = self.get(field, "a number")?;
        value.as_f64().ok_or_else(|| self.error(field, value.to_string(), "a number"))
    }

    fn factor(&self, field: &str) -> Result<f64, ModelError> {
        let number = self.number(field)?;
        if number.is_finite() && number > 0.0 {
            return Ok(number);
        }
        Err(self.error(field, number.to_string(), "a positive number"))
    }

    fn flag(&self, field: &str) -> Result<bool, ModelError> {
        let value = self.get(field, "true or false")?;
        value.as_bool().ok_or_else(|| self.error(field, value.to_string(), "true or false"))
    }

    fn ids(&self, field: &str) -> Result<Vec<u32>, ModelError> {
        const EXPECTED: &str = "a token id or a list of them";
        let value = self.get(field, EXPECTED)?;
        let id = |v: &Value| v.as_u64().and_then(|id| u32::try_from(id).ok());
        let ids = match value {
            Value::Array(items) => items.iter().map(id).collect(),
            other => id(other).map(|id| vec![id]),
        };
        ids.ok_or_else(|| self.error(field, value.to_string(), EXPECTED))
    }

    fn one_of(&self, field: &str, known: &[&'static str]) -> Result<&'static str, ModelError> {
        let expected = || format!("one of {}", known.join(", "));
        let value = self.get(field, &expected())?;
        let found = known.iter().find(|name| value.as_str() == Some(**name));
        found.copied().ok_or_else(|| self.error(field, value.to_string(), expected()))
    }

    fn object(&self, field: &'static str) -> Result<Option<Self>, ModelError> {
        let prefix = if field == "rope_parameters" { "rope_parameters." } else { "rope_scaling." };
        match self.map.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self { map, path: self.path.clone(), prefix })),
            Some(other) => Err(self.error(field, other.to_string(), "an object or null")),
        }
    }
}
