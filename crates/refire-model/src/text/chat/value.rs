use minijinja::Value;
use minijinja::value::Serde;
use refire_core::{Message, ToolCall};
use serde::{Deserialize, Deserializer, Serialize};
use std::str::FromStr;

/// A JSON value for a chat template that keeps the order of object keys.
///
/// Templates print tools and arguments in the order they are given.
///
/// ```
/// use refire_model::ChatValue;
///
/// let tools: ChatValue = r#"[{"name": "add", "description": "a + b"}]"#.parse()?;
/// let flag = ChatValue::from(true);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ChatValue(pub(super) Value);

impl ChatValue {
    /// Any value that serde can write; structs become objects with their fields in order. A
    /// value that serde refuses makes rendering fail where it is used.
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(Value::from(Serde(value)))
    }
}

impl FromStr for ChatValue {
    type Err = serde_json::Error;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(json)
    }
}

impl<'de> Deserialize<'de> for ChatValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self)
    }
}

impl From<bool> for ChatValue {
    fn from(value: bool) -> Self {
        Self(Value::from(value))
    }
}

impl From<i64> for ChatValue {
    fn from(value: i64) -> Self {
        Self(Value::from(value))
    }
}

impl From<&str> for ChatValue {
    fn from(value: &str) -> Self {
        Self(Value::from(value))
    }
}

impl From<&[Message]> for ChatValue {
    fn from(messages: &[Message]) -> Self {
        Self(messages.iter().map(message).collect())
    }
}

/// A message with its tool calls in the shape of the chat completions interface.
fn message(message: &Message) -> Value {
    let mut fields = vec![
        ("role", Value::from(Serde(&message.role))),
        ("content", Value::from(message.content.as_str())),
    ];
    if !message.tool_calls.is_empty() {
        fields.push(("tool_calls", message.tool_calls.iter().map(tool_call).collect()));
    }
    let texts = [("tool_call_id", &message.tool_call_id), ("name", &message.name)];
    for (name, text) in texts {
        fields.extend(text.as_deref().map(|text| (name, Value::from(text))));
    }
    Value::from_pairs(fields)
}

fn tool_call(call: &ToolCall) -> Value {
    let function = Value::from_pairs([
        ("name", Value::from(call.name.as_str())),
        ("arguments", Value::from(Serde(&call.arguments))),
    ]);
    let mut fields = vec![("type", Value::from("function"))];
    fields.extend(call.id.as_deref().map(|id| ("id", Value::from(id))));
    fields.push(("function", function));
    Value::from_pairs(fields)
}
