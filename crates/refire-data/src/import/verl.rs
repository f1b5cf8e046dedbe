use crate::example::{Example, FieldError, Fields, Record, type_of};
use serde_json::{Map, Value};

/// verl's rows: `reward_model.ground_truth` is the reference answer, `data_source` names the
/// verifier. `ability`, `extra_info` and the reward's style stay as extra columns.
pub(super) fn read(row: Map<String, Value>) -> Result<Record, FieldError> {
    let mut fields = Fields(row);
    let prompt = fields.content("prompt")?;
    let verifier = fields.text("data_source")?;
    let mut reward = match fields.take("reward_model") {
        Some(Value::Object(reward)) => reward,
        Some(other) => {
            let reason = format!("expected an object, found {}", type_of(&other));
            return Err(FieldError::new("reward_model", reason));
        }
        None => return Err(FieldError::missing("reward_model")),
    };
    let answer = match reward.remove("ground_truth") {
        Some(Value::String(answer)) => answer,
        None | Some(Value::Null) => {
            return Err(FieldError::missing("reward_model.ground_truth"));
        }
        Some(other) => other.to_string(),
    };
    if !reward.is_empty() {
        fields.0.insert("reward_model".to_owned(), Value::Object(reward));
    }
    fields.record(Example::Verifiable { prompt, answer, verifier })
}
