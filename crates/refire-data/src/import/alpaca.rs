use crate::example::{Example, FieldError, Fields, Record, type_of};
use refire_core::{Message, Role};
use serde_json::{Map, Value};

/// Alpaca's `instruction`, `input` and `output` as a chat; `input` follows the instruction after a
/// blank line. `system` and `history` (pairs of question and answer) come first where present.
pub(super) fn read(row: Map<String, Value>) -> Result<Record, FieldError> {
    let mut fields = Fields(row);
    let mut prompt = Vec::new();
    if let Some(system) = fields.optional_text("system")?.filter(|text| !text.is_empty()) {
        prompt.push(Message::new(Role::System, system));
    }
    if let Some(turns) = fields.take("history") {
        history(&turns, &mut prompt)?;
    }
    let instruction = fields.text("instruction")?;
    let input = fields.optional_text("input")?.unwrap_or_default();
    let question = if input.is_empty() { instruction } else { format!("{instruction}\n\n{input}") };
    prompt.push(Message::new(Role::User, question));
    let completion = vec![Message::new(Role::Assistant, fields.text("output")?)];
    fields
        .record(Example::PromptCompletion { prompt: prompt.into(), completion: completion.into() })
}

fn history(turns: &Value, prompt: &mut Vec<Message>) -> Result<(), FieldError> {
    let wrong = |field: &str, value: &Value| {
        let reason = format!("expected a pair of texts, found {}", type_of(value));
        FieldError::new(field, reason)
    };
    let turns = turns.as_array().ok_or_else(|| wrong("history", turns))?;
    for (index, turn) in turns.iter().enumerate() {
        let pair = turn.as_array().map(Vec::as_slice);
        let Some([Value::String(question), Value::String(answer)]) = pair else {
            return Err(wrong(&format!("history[{index}]"), turn));
        };
        prompt.push(Message::new(Role::User, question.clone()));
        prompt.push(Message::new(Role::Assistant, answer.clone()));
    }
    Ok(())
}
