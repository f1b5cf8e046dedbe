use crate::ModelError;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::path::Path;

/// Typed access to the fields of a JSON object, with errors that name file and field.
pub(super) struct Fields<'a> {
    map: Cow<'a, Map<String, Value>>,
    path: &'a Path,
    prefix: String,
}

impl<'a> Fields<'a> {
    pub(super) fn new(map: &'a Map<String, Value>, path: &'a Path) -> Self {
        Self { map: Cow::Borrowed(map), path, prefix: String::new() }
    }

    pub(super) fn error(
        &self,
        field: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> ModelError {
        ModelError::Field {
            file: self.path.to_owned(),
            field: format!("{}{field}", self.prefix),
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// The value of a field that is there.
    pub(super) fn value(&self, field: &str) -> Option<&Value> {
        self.map.get(field)
    }

    /// True if the field is there, even as null.
    pub(super) fn has(&self, field: &str) -> bool {
        self.map.contains_key(field)
    }

    /// Names and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.map.iter()
    }

    fn get(&self, field: &str, expected: &str) -> Result<&Value, ModelError> {
        self.value(field).ok_or_else(|| self.error(field, "missing", expected))
    }

    /// `None` for a field that is absent or null.
    pub(super) fn optional<T>(
        &self,
        field: &str,
        read: impl Fn(&Self, &str) -> Result<T, ModelError>,
    ) -> Result<Option<T>, ModelError> {
        match self.value(field) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => read(self, field).map(Some),
        }
    }

    /// What an absent field defaults to; null is no value.
    pub(super) fn absent_is<T>(
        &self,
        field: &str,
        default: Option<T>,
        read: impl Fn(&Self, &str) -> Result<T, ModelError>,
    ) -> Result<Option<T>, ModelError> {
        if self.has(field) { self.optional(field, read) } else { Ok(default) }
    }

    pub(super) fn positive(&self, field: &str) -> Result<usize, ModelError> {
        const EXPECTED: &str = "a positive integer";
        let value = self.get(field, EXPECTED)?;
        match value.as_u64().and_then(|v| usize::try_from(v).ok()) {
            Some(number) if number > 0 => Ok(number),
            _ => Err(self.error(field, value.to_string(), EXPECTED)),
        }
    }

    /// An integer from 0.
    pub(super) fn whole(&self, field: &str) -> Result<usize, ModelError> {
        const EXPECTED: &str = "an integer from 0";
        let value = self.get(field, EXPECTED)?;
        let number = value.as_u64().and_then(|v| usize::try_from(v).ok());
        number.ok_or_else(|| self.error(field, value.to_string(), EXPECTED))
    }

    pub(super) fn number(&self, field: &str) -> Result<f64, ModelError> {
        let value = self.get(field, "a number")?;
        value.as_f64().ok_or_else(|| self.error(field, value.to_string(), "a number"))
    }

    /// A positive, finite number.
    pub(super) fn factor(&self, field: &str) -> Result<f64, ModelError> {
        let number = self.number(field)?;
        if number.is_finite() && number > 0.0 {
            return Ok(number);
        }
        Err(self.error(field, number.to_string(), "a positive number"))
    }

    /// As many positive numbers as asked for.
    pub(super) fn factors(&self, field: &str, count: usize) -> Result<Vec<f64>, ModelError> {
        let expected = format!("{count} positive numbers, one for each pair of rotated dimensions");
        let value = self.get(field, &expected)?;
        let positive = |v: &Value| v.as_f64().filter(|x| x.is_finite() && *x > 0.0);
        let factors: Option<Vec<f64>> =
            value.as_array().and_then(|items| items.iter().map(positive).collect());
        match factors {
            Some(factors) if factors.len() == count => Ok(factors),
            Some(factors) => Err(self.error(field, format!("{} of them", factors.len()), expected)),
            None => Err(self.error(field, value.to_string(), expected)),
        }
    }

    pub(super) fn flag(&self, field: &str) -> Result<bool, ModelError> {
        let value = self.get(field, "true or false")?;
        value.as_bool().ok_or_else(|| self.error(field, value.to_string(), "true or false"))
    }

    /// False where the field is absent or null.
    pub(super) fn is_set(&self, field: &str) -> Result<bool, ModelError> {
        Ok(self.optional(field, Self::flag)?.unwrap_or(false))
    }

    pub(super) fn ids(&self, field: &str) -> Result<Vec<u32>, ModelError> {
        const EXPECTED: &str = "a token id or a list of them";
        let value = self.get(field, EXPECTED)?;
        let id = |v: &Value| v.as_u64().and_then(|id| u32::try_from(id).ok());
        let ids = match value {
            Value::Array(items) => items.iter().map(id).collect(),
            other => id(other).map(|id| vec![id]),
        };
        ids.ok_or_else(|| self.error(field, value.to_string(), EXPECTED))
    }

    /// Indices, such as those of layers.
    pub(super) fn indices(&self, field: &str) -> Result<Vec<usize>, ModelError> {
        const EXPECTED: &str = "a list of integers from 0";
        let value = self.get(field, EXPECTED)?;
        let index = |v: &Value| v.as_u64().and_then(|i| usize::try_from(i).ok());
        let indices: Option<Vec<usize>> =
            value.as_array().and_then(|items| items.iter().map(index).collect());
        indices.ok_or_else(|| self.error(field, value.to_string(), EXPECTED))
    }

    pub(super) fn one_of(
        &self,
        field: &str,
        known: &[&'static str],
    ) -> Result<&'static str, ModelError> {
        let expected = || format!("one of {}", known.join(", "));
        let value = self.get(field, &expected())?;
        let found = known.iter().find(|name| value.as_str() == Some(**name));
        found.copied().ok_or_else(|| self.error(field, value.to_string(), expected()))
    }

    pub(super) fn object(&'a self, field: &str) -> Result<Option<Self>, ModelError> {
        let prefix = format!("{}{field}.", self.prefix);
        match self.value(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(map)) => {
                Ok(Some(Self { map: Cow::Borrowed(map), path: self.path, prefix }))
            }
            Some(other) => Err(self.error(field, other.to_string(), "an object or null")),
        }
    }

    /// Another object's fields over these; errors name the other.
    pub(super) fn overlaid(mut self, other: &Self) -> Self {
        let map = self.map.to_mut();
        map.extend(other.map.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.prefix.clone_from(&other.prefix);
        self
    }
}
