//! Messages from JSON, with the place of whatever is wrong.

use super::{Content, FieldError};
use refire_core::{Message, Role, ToolCall};
use serde_json::{Map, Value};

/// What a JSON value is, in words.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

pub(crate) fn role_name(role: &Role) -> String {
    match role {
        Role::System => "system".to_owned(),
        Role::User => "user".to_owned(),
        Role::Assistant => "assistant".to_owned(),
        Role::Tool => "tool".to_owned(),
        Role::Other(name) => name.clone(),
        _ => String::new(),
    }
}

pub(crate) fn role(name: &str) -> Role {
    match name {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        other => Role::Other(other.to_owned()),
    }
}

/// Text, or a list of messages.
pub(crate) fn content(value: Value, field: &str) -> Result<Content, FieldError> {
    match value {
        Value::String(text) => Ok(Content::Text(text)),
        Value::Array(items) => Ok(Content::Messages(messages(items, field)?)),
        other => Err(FieldError::wrong(field, "text or a list of messages", &other)),
    }
}

pub(crate) fn messages(items: Vec<Value>, field: &str) -> Result<Vec<Message>, FieldError> {
    if items.is_empty() {
        return Err(FieldError::new(field, "there is no message in the list"));
    }
    items
        .into_iter()
        .enumerate()
        .map(|(index, item)| message(item, &format!("{field}[{index}]")))
        .collect()
}

/// One message: OpenAI's `role` and `content`, or ShareGPT's `from` and `value`.
pub(crate) fn message(value: Value, field: &str) -> Result<Message, FieldError> {
    let Value::Object(mut map) = value else {
        return Err(FieldError::wrong(field, "a message", &value));
    };
    let (role_key, content_key) = if map.contains_key("role") || !map.contains_key("from") {
        ("role", "content")
    } else {
        ("from", "value")
    };
    let role_text = required_text(&mut map, role_key, field)?;
    let mut message = Message::new(role(&role_text), "");
    message.tool_calls = match map.remove("tool_calls") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(calls)) => calls
            .into_iter()
            .enumerate()
            .map(|(index, call)| tool_call(call, &format!("{field}.tool_calls[{index}]")))
            .collect::<Result<_, _>>()?,
        Some(other) => {
            return Err(FieldError::wrong(&format!("{field}.tool_calls"), "a list", &other));
        }
    };
    message.content = match map.remove(content_key) {
        Some(Value::String(text)) => text,
        None | Some(Value::Null) if !message.tool_calls.is_empty() => String::new(),
        None => return Err(FieldError::missing(&format!("{field}.{content_key}"))),
        Some(other) => {
            return Err(FieldError::wrong(&format!("{field}.{content_key}"), "text", &other));
        }
    };
    message.tool_call_id = optional_text(&mut map, "tool_call_id", field)?;
    message.name = optional_text(&mut map, "name", field)?;
    for key in ["thinking", "reasoning_content"] {
        if let Some(thought) = optional_text(&mut map, key, field)? {
            message.content = format!("<think>\n{thought}\n</think>\n\n{}", message.content);
        }
    }
    match map.into_iter().find(|(_, value)| !value.is_null()) {
        None => Ok(message),
        Some((key, _)) => Err(FieldError::new(
            &format!("{field}.{key}"),
            "is no known field of a message; remove it, or it would be lost",
        )),
    }
}

/// `{name, arguments}`, or the same under `function` as OpenAI has it. Arguments may be an object
/// or its JSON text.
fn tool_call(value: Value, field: &str) -> Result<ToolCall, FieldError> {
    let Value::Object(mut map) = value else {
        return Err(FieldError::wrong(field, "a tool call", &value));
    };
    let id = optional_text(&mut map, "id", field)?;
    let (mut call, field) = match map.remove("function") {
        Some(Value::Object(function)) => (function, format!("{field}.function")),
        Some(Value::Null) | None => (map, field.to_owned()),
        Some(other) => {
            return Err(FieldError::wrong(&format!("{field}.function"), "an object", &other));
        }
    };
    let name = required_text(&mut call, "name", &field)?;
    let arguments = match call.remove("arguments") {
        Some(Value::String(text)) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        Some(value) => value,
        None => Value::Object(Map::new()),
    };
    Ok(ToolCall { id, name, arguments })
}

fn required_text(
    map: &mut Map<String, Value>,
    key: &str,
    field: &str,
) -> Result<String, FieldError> {
    optional_text(map, key, field)?.ok_or_else(|| FieldError::missing(&format!("{field}.{key}")))
}

fn optional_text(
    map: &mut Map<String, Value>,
    key: &str,
    field: &str,
) -> Result<Option<String>, FieldError> {
    match map.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(FieldError::wrong(&format!("{field}.{key}"), "text", &other)),
    }
}
