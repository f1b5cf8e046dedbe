//! One row between a file and a record.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A row as it stands in a file.
#[derive(Debug)]
pub(super) struct Raw {
    /// Line of a text file, or row of a table, from 1.
    pub(super) line: u64,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    /// JSON text.
    Bytes(Vec<u8>),
    /// Columns of a table.
    #[cfg_attr(not(feature = "parquet"), allow(dead_code))]
    Columns(Map<String, Value>),
    /// Something that isn't a row, with what can be shown of it.
    Bad { reason: String, shown: Vec<u8> },
    /// A row of a table with a cell that can't be read.
    #[cfg_attr(not(feature = "parquet"), allow(dead_code))]
    BadCell { field: String, reason: String },
}

/// Reads one JSON object, or says why it can't be read.
pub(super) fn parse(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("invalid UTF-8 at byte {}", error.valid_up_to()))?;
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(format!("a NUL byte at byte {at}"));
    }
    match serde_json::from_str::<Row>(text) {
        Ok(row) => Ok(row.0),
        Err(error) => Err(format!("not a JSON object: {error}")),
    }
}

/// An object whose keys must differ: of two equal keys serde_json would keep the last, unseen.
struct Row(Map<String, Value>);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Row;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Row, A::Error> {
                let mut map = Map::new();
                while let Some(key) = access.next_key::<String>()? {
                    if map.contains_key(&key) {
                        return Err(A::Error::custom(format!("the key `{key}` stands twice")));
                    }
                    map.insert(key, access.next_value()?);
                }
                Ok(Row(map))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}
