use crate::{DataError, Record};

/// A record as tokens, or why it gives none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tokens<T> {
    pub(super) item: Result<T, &'static str>,
    pub(super) cut: bool,
    pub(super) merged: bool,
}

impl<T> Tokens<T> {
    pub(super) fn whole(item: T) -> Self {
        Self { item: Ok(item), cut: false, merged: false }
    }

    pub(super) fn left_out(why: &'static str) -> Self {
        Self { item: Err(why), cut: false, merged: false }
    }
}

pub(super) const TOO_LONG: &str = "it is longer than `max_tokens`";

impl Record {
    /// A number of the extra columns, of at least `least`.
    pub(super) fn number(
        &self,
        column: &'static str,
        least: f64,
        expected: &'static str,
    ) -> Result<Option<f64>, DataError> {
        match self.extra.get(column) {
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(value) => match value.as_f64().filter(|number| *number >= least) {
                Some(number) => Ok(Some(number)),
                None => Err(DataError::out_of_range(column, value, expected)),
            },
        }
    }
}
