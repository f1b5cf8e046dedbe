//! Records from rows of named columns, and back.

use super::{Content, Example, Kind, Origin, Record, message};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What is wrong with a column of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) reason: String,
}

impl FieldError {
    pub(crate) fn new(field: &str, reason: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason: reason.into() }
    }
    pub(crate) fn missing(field: &str) -> Self {
        Self::new(field, "is missing")
    }
    pub(crate) fn wrong(field: &str, expected: &str, found: &Value) -> Self {
        Self::new(field, format!("expected {expected}, found {}", message::type_of(found)))
    }
}

/// Other names for columns: from the name in the file to the name TRL has for it.
///
/// ```
/// use refire_data::ColumnMap;
/// let gsm8k = ColumnMap::new([("question", "prompt"), ("solution", "completion")]);
/// assert_eq!(gsm8k.0["question"], "prompt");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ColumnMap(pub BTreeMap<String, String>);

impl ColumnMap {
    /// A map from pairs of (name in the file, name wanted).
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(pairs.into_iter().map(|(from, to)| (from.to_owned(), to.to_owned())).collect())
    }
}

/// The kind whose columns a row has, the richest that fits; TRL sniffs in the same way.
pub(crate) fn sniff(row: &Map<String, Value>) -> Option<Kind> {
    let has = |name: &str| row.get(name).is_some_and(|value| !value.is_null());
    let all = |names: &[&str]| names.iter().all(|name| has(name));
    let mixed = || {
        let chat = |name: &str| row.get(name).is_some_and(Value::is_array);
        chat("chosen") && !chat("prompt")
    };
    match () {
        () if all(&["prompt", "completions", "labels"]) => Some(Kind::Stepwise),
        () if all(&["prompt", "chosen", "rejected"]) && !mixed() => Some(Kind::Preference),
        () if all(&["chosen", "rejected"]) => Some(Kind::ImplicitPreference),
        () if all(&["prompt", "completion", "label"]) => Some(Kind::Unpaired),
        () if all(&["prompt", "completion"]) => Some(Kind::PromptCompletion),
        () if has("prompt") && (has("answer") || has("ground_truth")) => Some(Kind::Verifiable),
        () if has("prompt") => Some(Kind::PromptOnly),
        () if has("text") || has("messages") => Some(Kind::LanguageModelling),
        () => None,
    }
}

/// The columns of a row that weren't taken yet.
#[derive(Debug)]
pub(crate) struct Fields(pub(crate) Map<String, Value>);

impl Fields {
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    fn required(&mut self, name: &str) -> Result<Value, FieldError> {
        match self.0.remove(name) {
            None => Err(FieldError::missing(name)),
            Some(Value::Null) => Err(FieldError::new(name, "is null")),
            Some(value) => Ok(value),
        }
    }

    pub(crate) fn content(&mut self, name: &str) -> Result<Content, FieldError> {
        message::content(self.required(name)?, name)
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<String, FieldError> {
        match self.required(name)? {
            Value::String(text) => Ok(text),
            other => Err(FieldError::wrong(name, "text", &other)),
        }
    }

    pub(crate) fn optional_text(&mut self, name: &str) -> Result<Option<String>, FieldError> {
        if self.0.get(name).is_none_or(Value::is_null) {
            self.0.remove(name);
            return Ok(None);
        }
        self.text(name).map(Some)
    }

    fn bool(&mut self, name: &str) -> Result<bool, FieldError> {
        let value = self.required(name)?;
        value.as_bool().ok_or_else(|| FieldError::wrong(name, "true or false", &value))
    }

    fn list<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, FieldError> {
        match self.required(name)? {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let field = format!("{name}[{index}]");
                    read(item).ok_or_else(|| FieldError::wrong(&field, expected, item))
                })
                .collect(),
            other => Err(FieldError::wrong(name, "a list", &other)),
        }
    }

    /// An answer: text, or a number or a list as its JSON.
    fn answer(&mut self) -> Result<String, FieldError> {
        let name = if self.0.contains_key("answer") { "answer" } else { "ground_truth" };
        match self.required(name)? {
            Value::String(text) => Ok(text),
            other => Ok(other.to_string()),
        }
    }

    /// Two parts in one format.
    fn pair(&mut self, first: &str, second: &str) -> Result<(Content, Content), FieldError> {
        let (a, b) = (self.content(first)?, self.content(second)?);
        same_format(&a, &b, first, second)?;
        Ok((a, b))
    }

    /// The example of a kind from its columns.
    pub(crate) fn example(&mut self, kind: Kind) -> Result<Example, FieldError> {
        match kind {
            Kind::LanguageModelling => {
                let name = if self.0.contains_key("messages") { "messages" } else { "text" };
                Ok(Example::LanguageModelling { content: self.content(name)? })
            }
            Kind::PromptOnly => Ok(Example::PromptOnly { prompt: self.content("prompt")? }),
            Kind::PromptCompletion => {
                let (prompt, completion) = self.pair("prompt", "completion")?;
                Ok(Example::PromptCompletion { prompt, completion })
            }
            Kind::Preference => {
                let (prompt, chosen) = self.pair("prompt", "chosen")?;
                let rejected = self.content("rejected")?;
                same_format(&chosen, &rejected, "chosen", "rejected")?;
                Ok(Example::Preference { prompt, chosen, rejected })
            }
            Kind::ImplicitPreference => {
                let (chosen, rejected) = self.pair("chosen", "rejected")?;
                Ok(Example::ImplicitPreference { chosen, rejected })
            }
            Kind::Unpaired => {
                let (prompt, completion) = self.pair("prompt", "completion")?;
                Ok(Example::Unpaired { prompt, completion, label: self.bool("label")? })
            }
            Kind::Stepwise => self.stepwise(),
            Kind::Verifiable => Ok(Example::Verifiable {
                prompt: self.content("prompt")?,
                answer: self.answer()?,
                verifier: self.optional_text("verifier")?.unwrap_or_default(),
            }),
        }
    }

    fn stepwise(&mut self) -> Result<Example, FieldError> {
        let prompt = self.text("prompt")?;
        let completions = self.list("completions", "text", |v| v.as_str().map(str::to_owned))?;
        let labels = self.list("labels", "true or false", Value::as_bool)?;
        if labels.len() != completions.len() {
            let reason = format!("{} labels for {} completions", labels.len(), completions.len());
            return Err(FieldError::new("labels", reason));
        }
        Ok(Example::Stepwise { prompt, completions, labels })
    }

    /// The record of an example taken from these columns; what is left becomes extra.
    pub(crate) fn record(mut self, example: Example) -> Result<Record, FieldError> {
        let tools = match self.take("tools") {
            None => Vec::new(),
            Some(Value::Array(tools)) => tools,
            Some(Value::String(text)) => match serde_json::from_str(&text) {
                Ok(Value::Array(tools)) => tools,
                _ => return Err(FieldError::new("tools", "is text, but not a JSON list")),
            },
            Some(other) => return Err(FieldError::wrong("tools", "a list", &other)),
        };
        // What an earlier run wrote goes on where it ended.
        let provenance = self.0.get("provenance").and_then(Origin::history);
        if provenance.is_some() {
            self.0.remove("provenance");
        }
        Ok(Record { example, tools, extra: self.0, provenance: provenance.unwrap_or_default() })
    }
}

fn same_format(a: &Content, b: &Content, first: &str, second: &str) -> Result<(), FieldError> {
    if a.is_messages() == b.is_messages() {
        return Ok(());
    }
    let name = |content: &Content| if content.is_messages() { "messages" } else { "text" };
    Err(FieldError::new(second, format!("is {}, while `{first}` is {}", name(b), name(a))))
}

impl Record {
    /// Reads a row of a kind, with TRL's column names; further columns become
    /// [`extra`](Self::extra).
    ///
    /// # Errors
    /// Names the column at fault.
    pub fn from_row(row: Map<String, Value>, kind: Kind) -> Result<Self, crate::DataError> {
        let mut fields = Fields(row);
        fields.example(kind).and_then(|example| fields.record(example)).map_err(|error| {
            crate::DataError::Row {
                path: "row".into(),
                line: 0,
                field: error.field,
                reason: error.reason,
            }
        })
    }

    /// The row of this record: TRL's columns, `tools` if there are any, and the extra columns.
    ///
    /// ```
    /// use refire_data::{Example, Record};
    /// let record = Record::new(Example::PromptOnly { prompt: "2 + 3?".into() });
    /// assert_eq!(serde_json::Value::Object(record.to_row()).to_string(), r#"{"prompt":"2 + 3?"}"#);
    /// ```
    pub fn to_row(&self) -> Map<String, Value> {
        let mut row = Map::new();
        let value = |content: &Content| match content {
            Content::Text(text) => Value::String(text.clone()),
            Content::Messages(messages) => {
                // Plain data with string keys: writing it as JSON can't fail.
                serde_json::to_value(messages).unwrap_or_default()
            }
        };
        let mut put = |name: &str, value: Value| {
            row.insert(name.to_owned(), value);
        };
        match &self.example {
            Example::LanguageModelling { content } => {
                put(if content.is_messages() { "messages" } else { "text" }, value(content));
            }
            Example::PromptOnly { prompt } => put("prompt", value(prompt)),
            Example::PromptCompletion { prompt, completion } => {
                put("prompt", value(prompt));
                put("completion", value(completion));
            }
            Example::Preference { prompt, chosen, rejected } => {
                put("prompt", value(prompt));
                put("chosen", value(chosen));
                put("rejected", value(rejected));
            }
            Example::ImplicitPreference { chosen, rejected } => {
                put("chosen", value(chosen));
                put("rejected", value(rejected));
            }
            Example::Unpaired { prompt, completion, label } => {
                put("prompt", value(prompt));
                put("completion", value(completion));
                put("label", (*label).into());
            }
            Example::Stepwise { prompt, completions, labels } => {
                put("prompt", prompt.clone().into());
                put("completions", completions.clone().into());
                put("labels", labels.clone().into());
            }
            Example::Verifiable { prompt, answer, verifier } => {
                put("prompt", value(prompt));
                put("answer", answer.clone().into());
                if !verifier.is_empty() {
                    put("verifier", verifier.clone().into());
                }
            }
        }
        if !self.tools.is_empty() {
            put("tools", self.tools.clone().into());
        }
        for (name, value) in &self.extra {
            row.entry(name.clone()).or_insert_with(|| value.clone());
        }
        row
    }
}
