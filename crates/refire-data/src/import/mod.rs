//! Rows as other projects write them.

mod alpaca;
mod sharegpt;
mod verl;

use crate::example::{ColumnMap, FieldError, Fields, Kind, Record, sniff};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the columns of a file mean.
///
/// ```
/// use refire_data::{Format, Kind};
/// let format: Format = serde_json::from_str(r#"{"kind":"trl","rows":"preference"}"#)?;
/// assert_eq!(format, Format::Trl { rows: Kind::Preference });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// Decided by the columns of a file's first rows, by majority; rows that then lack a column
    /// are errors.
    #[default]
    Auto,
    /// TRL's columns for one kind.
    Trl {
        /// The kind.
        rows: Kind,
    },
    /// Columns under other names, then as [`Trl`](Self::Trl).
    Columns {
        /// The kind.
        rows: Kind,
        /// Names in the file, and the names they stand for.
        names: ColumnMap,
    },
    /// `conversations` of `from` and `value`, as Vicuna's data: becomes language modelling.
    ShareGpt,
    /// `instruction`, `input`, `output`, and optionally `system` and `history`: becomes
    /// prompt-completion.
    Alpaca,
    /// verl's rows for reinforcement learning (`data_source`, `prompt`, `reward_model`, …):
    /// becomes verifiable.
    Verl,
}

impl Format {
    /// The format of a row by its columns; `None` when no format fits.
    pub(crate) fn sniff(row: &Map<String, Value>) -> Option<Self> {
        let has = |name: &str| row.contains_key(name);
        if has("conversations") {
            Some(Self::ShareGpt)
        } else if has("reward_model") && has("data_source") && has("prompt") {
            Some(Self::Verl)
        } else if has("instruction") && has("output") {
            Some(Self::Alpaca)
        } else {
            sniff(row).map(|rows| Self::Trl { rows })
        }
    }

    /// The format most rows have; of equally many, the richer one.
    pub(crate) fn majority<'a>(rows: impl Iterator<Item = &'a Map<String, Value>>) -> Option<Self> {
        let mut counts: Vec<(Self, usize)> = Vec::new();
        for format in rows.filter_map(Self::sniff) {
            match counts.iter_mut().find(|(known, _)| *known == format) {
                Some((_, count)) => *count += 1,
                None => counts.push((format, 1)),
            }
        }
        let rank = |format: &Self| match format {
            Self::Trl { rows } => *rows as usize,
            _ => usize::MAX,
        };
        counts.into_iter().max_by_key(|(format, count)| (*count, rank(format))).map(|(f, _)| f)
    }

    pub(crate) fn read(&self, row: Map<String, Value>) -> Result<Record, FieldError> {
        match self {
            Self::Auto => {
                let names: Vec<&str> = row.keys().map(String::as_str).collect();
                let reason = format!("no known format has the columns {}", names.join(", "));
                Err(FieldError::new("row", reason))
            }
            Self::Trl { rows } => trl(row, *rows),
            Self::Columns { rows, names } => trl(rename(row, names)?, *rows),
            Self::ShareGpt => sharegpt::read(row),
            Self::Alpaca => alpaca::read(row),
            Self::Verl => verl::read(row),
        }
    }
}

fn trl(row: Map<String, Value>, kind: Kind) -> Result<Record, FieldError> {
    let mut fields = Fields(row);
    let example = fields.example(kind)?;
    fields.record(example)
}

/// Renames columns. A column that already has the wanted name moves out of the way, to
/// `<name>_original`.
fn rename(row: Map<String, Value>, names: &ColumnMap) -> Result<Map<String, Value>, FieldError> {
    let mut renamed = Map::new();
    let mut rest = row;
    for (from, to) in &names.0 {
        let value = rest.remove(from).ok_or_else(|| FieldError::missing(from))?;
        renamed.insert(to.clone(), value);
    }
    for (name, value) in rest {
        let taken = renamed.contains_key(&name);
        renamed.insert(if taken { format!("{name}_original") } else { name }, value);
    }
    Ok(renamed)
}
