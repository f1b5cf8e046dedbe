use super::{Content, Example};
use refire_core::Message;
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

/// 128-bit identity of a record's content: the same on every machine and in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub u128);

impl RecordId {
    /// The upper 64 bits: [`refire_core::Prompt::id`].
    pub fn short(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Identity of an example with its tools: XXH3-128 over its kind and its fields, each with its
/// length before it. Object keys are sorted first, so their order doesn't matter; extra columns
/// and provenance don't count.
///
/// ```
/// use refire_data::{Example, content_id};
/// use serde_json::json;
/// let example = Example::PromptOnly { prompt: "2 + 3?".into() };
/// let id = content_id(&example, &[json!({"name": "add", "strict": true})]);
/// assert_eq!(id, content_id(&example, &[json!({"strict": true, "name": "add"})]));
/// assert_ne!(id, content_id(&example, &[]));
/// ```
pub fn content_id(example: &Example, tools: &[Value]) -> RecordId {
    let mut hash = Feeder(Xxh3::new());
    hash.text(example.kind().name());
    match example {
        Example::LanguageModelling { content } => hash.content(content),
        Example::PromptOnly { prompt } => hash.content(prompt),
        Example::PromptCompletion { prompt, completion } => {
            hash.content(prompt);
            hash.content(completion);
        }
        Example::Preference { prompt, chosen, rejected } => {
            hash.content(prompt);
            hash.content(chosen);
            hash.content(rejected);
        }
        Example::ImplicitPreference { chosen, rejected } => {
            hash.content(chosen);
            hash.content(rejected);
        }
        Example::Unpaired { prompt, completion, label } => {
            hash.content(prompt);
            hash.content(completion);
            hash.number(u64::from(*label));
        }
        Example::Stepwise { prompt, completions, labels } => {
            hash.text(prompt);
            hash.number(completions.len() as u64);
            completions.iter().for_each(|step| hash.text(step));
            hash.number(labels.len() as u64);
            labels.iter().for_each(|label| hash.number(u64::from(*label)));
        }
        Example::Verifiable { prompt, answer, verifier } => {
            hash.content(prompt);
            hash.text(answer);
            hash.text(verifier);
        }
    }
    hash.number(tools.len() as u64);
    tools.iter().for_each(|tool| hash.value(tool));
    RecordId(hash.0.digest128())
}

struct Feeder(Xxh3);

impl Feeder {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.number(u64::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }

    fn content(&mut self, content: &Content) {
        match content {
            Content::Text(text) => {
                self.number(0);
                self.text(text);
            }
            Content::Messages(messages) => {
                self.number(1 + messages.len() as u64);
                messages.iter().for_each(|message| self.message(message));
            }
        }
    }

    fn message(&mut self, message: &Message) {
        self.text(&super::message::role_name(&message.role));
        self.text(&message.content);
        self.number(message.tool_calls.len() as u64);
        for call in &message.tool_calls {
            self.optional(call.id.as_deref());
            self.text(&call.name);
            self.value(&call.arguments);
        }
        self.optional(message.tool_call_id.as_deref());
        self.optional(message.name.as_deref());
    }

    /// A JSON value, with object keys in the order of their bytes.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Array(items) => {
                self.text("[");
                self.number(items.len() as u64);
                items.iter().for_each(|item| self.value(item));
            }
            Value::Object(map) => {
                self.text("{");
                self.number(map.len() as u64);
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| key.as_str());
                for (key, item) in entries {
                    self.text(key);
                    self.value(item);
                }
            }
            plain => self.text(&plain.to_string()),
        }
    }
}
