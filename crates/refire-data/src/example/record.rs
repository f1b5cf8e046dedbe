use super::{Example, RecordId, content_id};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a record comes from, and what was done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// A file, a data set, or the name of a transformation.
    pub source: String,
    /// Line or row within the source, from 1; 0 for a transformation.
    #[serde(default)]
    pub line: u64,
    /// Licence, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

impl Origin {
    /// A history as a [`Writer`](crate::Writer) writes it; `None` for anything else, such as a
    /// column of another meaning.
    pub(crate) fn history(value: &Value) -> Option<Vec<Self>> {
        let known = ["source", "line", "licence"];
        let origin = |item: &Value| {
            let plain = item.as_object()?.keys().all(|key| known.contains(&key.as_str()));
            if plain { serde_json::from_value(item.clone()).ok() } else { None }
        };
        value.as_array()?.iter().map(origin).collect()
    }

    /// A transformation by name.
    pub fn step(name: impl Into<String>) -> Self {
        Self { source: name.into(), line: 0, licence: None }
    }
}

/// An example with the tools it may call, its further columns and its history.
///
/// ```
/// use refire_data::{Example, Record};
/// let record = Record::new(Example::PromptOnly { prompt: "2 + 3?".into() });
/// let same = Record::new(Example::PromptOnly { prompt: "2 + 3?".into() });
/// assert_eq!(record.id(), same.id());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What is learned from.
    pub example: Example,
    /// JSON schemas of tools.
    pub tools: Vec<Value>,
    /// Columns that are no part of the example; rewards and curricula read them.
    pub extra: Map<String, Value>,
    /// Sources and transformations, oldest first.
    pub provenance: Vec<Origin>,
}

impl Record {
    /// A record of an example alone.
    pub fn new(example: Example) -> Self {
        Self { example, tools: Vec::new(), extra: Map::new(), provenance: Vec::new() }
    }

    /// Identity of its content; see [`content_id`].
    pub fn id(&self) -> RecordId {
        content_id(&self.example, &self.tools)
    }

    /// Another example made from this record by a named step; tools, extra columns and history
    /// go along.
    pub fn derive(&self, example: Example, step: &str) -> Self {
        let mut provenance = self.provenance.clone();
        provenance.push(Origin::step(step));
        Self { example, tools: self.tools.clone(), extra: self.extra.clone(), provenance }
    }
}
