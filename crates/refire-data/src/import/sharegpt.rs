use crate::example::{Content, Example, FieldError, Fields, Record, messages, type_of};
use refire_core::Role;
use serde_json::{Map, Value};

/// ShareGPT's `conversations`; the speakers `human` and `gpt` become `user` and `assistant`. A
/// column `system` becomes the first message.
pub(super) fn read(row: Map<String, Value>) -> Result<Record, FieldError> {
    let mut fields = Fields(row);
    let field = "conversations";
    let items = match fields.take(field) {
        Some(Value::Array(items)) => items,
        Some(other) => {
            let reason = format!("expected a list of messages, found {}", type_of(&other));
            return Err(FieldError::new(field, reason));
        }
        None => return Err(FieldError::missing(field)),
    };
    let mut chat = messages(items, field)?;
    for message in &mut chat {
        message.role = match std::mem::replace(&mut message.role, Role::User) {
            Role::Other(name) => match name.as_str() {
                "human" => Role::User,
                "gpt" | "chatgpt" | "bing" | "bard" | "model" => Role::Assistant,
                "function_response" | "observation" | "tool_response" => Role::Tool,
                _ => Role::Other(name),
            },
            known => known,
        };
    }
    if let Some(system) = fields.optional_text("system")? {
        chat.insert(0, refire_core::Message::new(Role::System, system));
    }
    fields.record(Example::LanguageModelling { content: Content::Messages(chat) })
}
