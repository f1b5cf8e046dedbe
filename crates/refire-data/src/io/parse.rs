//! From a row's bytes to a record.

use super::lines::SHOWN;
use super::row::{Body, Raw, parse};
use crate::Format;
use crate::example::{FieldError, Record};
use serde_json::{Map, Value};

/// A row that can't be used.
pub(super) struct Bad {
    pub(super) line: u64,
    pub(super) error: FieldError,
    pub(super) shown: Vec<u8>,
}

pub(super) struct Columns {
    line: u64,
    pub(super) columns: Map<String, Value>,
    shown: Vec<u8>,
}

pub(super) fn columns(raw: Raw) -> Result<Columns, Bad> {
    let line = raw.line;
    match raw.body {
        Body::Bytes(mut bytes) => {
            let parsed = parse(&bytes);
            bytes.truncate(SHOWN);
            match parsed {
                Ok(columns) => Ok(Columns { line, columns, shown: bytes }),
                Err(reason) => {
                    Err(Bad { line, error: FieldError::new("row", reason), shown: bytes })
                }
            }
        }
        Body::Columns(columns) => Ok(Columns { line, columns, shown: Vec::new() }),
        Body::Bad { reason, shown } => {
            Err(Bad { line, error: FieldError::new("row", reason), shown })
        }
        Body::BadCell { field, reason } => {
            Err(Bad { line, error: FieldError { field, reason }, shown: Vec::new() })
        }
    }
}

pub(super) struct Read {
    pub(super) record: Record,
    pub(super) line: u64,
    /// The column that must be unique: its name, its value, and the row.
    pub(super) key: Option<(String, String, Vec<u8>)>,
}

pub(super) fn record(row: Columns, format: &Format, unique: Option<&str>) -> Result<Read, Bad> {
    let Columns { line, columns, shown } = row;
    let key = match unique {
        None => None,
        Some(name) => match columns.get(name) {
            Some(value) => Some((name.to_owned(), value.to_string(), shown.clone())),
            None => return Err(Bad { line, error: FieldError::missing(name), shown }),
        },
    };
    match format.read(columns) {
        Ok(record) => Ok(Read { record, line, key }),
        Err(error) => Err(Bad { line, error, shown }),
    }
}
