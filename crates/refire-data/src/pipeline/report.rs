use super::Removed;
use super::html;
use crate::{Origin, ReadReport};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a stage did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StageReport {
    /// Its name.
    pub name: String,
    /// Records in.
    pub taken: u64,
    /// Records out.
    pub given: u64,
    /// Records changed, among those out.
    pub changed: u64,
    /// Records the stage doesn't apply to, among those out, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_applied: BTreeMap<String, u64>,
    /// Records removed, by reason.
    pub removed: BTreeMap<String, u64>,
    /// The first removed records of each reason: what was found, and the beginning of the text.
    pub examples: BTreeMap<String, Vec<Shown>>,
    /// Seconds in the stage.
    pub seconds: f64,
    /// Anything more.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

/// A removed record, as the report shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// Where it was read, as `file:line`; empty if it was made.
    pub source: String,
    /// What was found.
    pub detail: String,
    /// The beginning of its text.
    pub text: String,
}

/// Characters of a text that the report shows.
const SHOWN: usize = 300;

impl StageReport {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(super) fn remove(&mut self, removed: &Removed, examples: usize) {
        *self.removed.entry(removed.reason.clone()).or_default() += 1;
        let shown = self.examples.entry(removed.reason.clone()).or_default();
        if shown.len() < examples {
            let read = |origin: &&Origin| origin.line > 0;
            let origin = removed.record.provenance.iter().rev().find(read);
            shown.push(Shown {
                id: removed.record.id().to_string(),
                source: origin.map(|o| format!("{}:{}", o.source, o.line)).unwrap_or_default(),
                detail: removed.detail.clone(),
                text: removed.record.example.full_text().chars().take(SHOWN).collect(),
            });
        }
    }

    /// Records removed, for any reason.
    pub fn removed_total(&self) -> u64 {
        self.removed.values().sum()
    }
}

/// What a pipeline did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PipelineReport {
    /// What was read.
    pub read: ReadReport,
    /// Records in.
    pub taken: u64,
    /// Records out.
    pub given: u64,
    /// Stage by stage.
    pub stages: Vec<StageReport>,
}

impl PipelineReport {
    /// The report as indented JSON.
    pub fn to_json(&self) -> String {
        // Plain data with string keys: writing it as JSON can't fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The report as one HTML page: a funnel, a table of reasons, and examples of what was removed.
    /// It needs nothing from elsewhere.
    ///
    /// ```
    /// let html = refire_data::PipelineReport::default().to_html();
    /// assert!(html.starts_with("<!doctype html>"));
    /// ```
    pub fn to_html(&self) -> String {
        html::page(self)
    }
}
