//! Typed access to a file's metadata, with errors that name file and key.

use super::{GgufFile, GgufValue};
use crate::ModelError;
use std::collections::BTreeSet;

/// The metadata under a prefix, such as `llama.`; knows which of it has been read.
pub(super) struct Keys<'a> {
    file: &'a GgufFile,
    prefix: String,
    read: BTreeSet<String>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(file: &'a GgufFile, prefix: &str) -> Self {
        Self { file, prefix: prefix.to_owned(), read: BTreeSet::new() }
    }

    pub(super) fn error(
        &self,
        key: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> ModelError {
        ModelError::Field {
            file: self.file.path().to_owned(),
            field: format!("{}{key}", self.prefix),
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// A value that may be absent.
    pub(super) fn get<T>(
        &mut self,
        key: &str,
        expected: &str,
        convert: impl Fn(&'a GgufValue) -> Option<T>,
    ) -> Result<Option<T>, ModelError> {
        let full = format!("{}{key}", self.prefix);
        let found = self.file.metadata().get(&full);
        self.read.insert(full);
        let Some(value) = found else { return Ok(None) };
        match convert(value) {
            Some(value) => Ok(Some(value)),
            None => Err(self.error(key, value.brief(), expected)),
        }
    }

    fn needed<T>(&self, key: &str, value: Option<T>, expected: &str) -> Result<T, ModelError> {
        value.ok_or_else(|| self.error(key, "missing", expected))
    }

    pub(super) fn number(&mut self, key: &str) -> Result<Option<f64>, ModelError> {
        self.get(key, "a number", GgufValue::as_f64)
    }

    pub(super) fn size(&mut self, key: &str) -> Result<Option<usize>, ModelError> {
        self.get(key, "an integer from 0", GgufValue::as_usize)
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<Option<bool>, ModelError> {
        self.get(key, "true or false", GgufValue::as_bool)
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<&'a str>, ModelError> {
        self.get(key, "a text", GgufValue::as_str)
    }

    pub(super) fn needed_size(&mut self, key: &str) -> Result<usize, ModelError> {
        let value = self.size(key)?;
        self.needed(key, value, "an integer from 0")
    }

    pub(super) fn needed_number(&mut self, key: &str) -> Result<f64, ModelError> {
        let value = self.number(key)?;
        self.needed(key, value, "a number")
    }

    pub(super) fn needed_text(&mut self, key: &str) -> Result<&'a str, ModelError> {
        let value = self.text(key)?;
        self.needed(key, value, "a text")
    }

    /// Items of a list that must be there.
    pub(super) fn items<T>(
        &mut self,
        key: &str,
        expected: &str,
        convert: impl Fn(&'a GgufValue) -> Option<T>,
    ) -> Result<Vec<T>, ModelError> {
        let all = |value: &'a GgufValue| value.as_list()?.iter().map(&convert).collect();
        let found = self.get(key, expected, all)?;
        self.needed(key, found, expected)
    }

    /// Refuses a value other than these.
    pub(super) fn only(&mut self, key: &str, allowed: f64) -> Result<(), ModelError> {
        match self.number(key)? {
            Some(value) if value != allowed => {
                Err(self.error(key, value.to_string(), allowed.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Keys that say nothing about the network.
    pub(super) fn ignore(&mut self, keys: &[&str]) {
        self.read.extend(keys.iter().map(|key| format!("{}{key}", self.prefix)));
    }

    /// Refuses what has not been read: it may change the network.
    pub(super) fn check_all_read(&self) -> Result<(), ModelError> {
        let mut found =
            self.file.metadata().iter().filter(|(key, _)| key.starts_with(&self.prefix));
        match found.find(|(key, _)| !self.read.contains(*key)) {
            Some((key, value)) => {
                Err(self.error(&key[self.prefix.len()..], value.brief(), "no such key"))
            }
            None => Ok(()),
        }
    }
}
