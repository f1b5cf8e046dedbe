use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a text met an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// They share n-grams.
    Ngram,
    /// The text holds the whole of a short item.
    Whole,
    /// The text holds the whole item when everything but letters is left out: other numbers at most.
    DigitStripped,
}

/// A text that overlaps with a benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contamination {
    /// Name of the benchmark.
    pub benchmark: String,
    /// The item, by its name there.
    pub item: String,
    /// How they met.
    pub pass: Pass,
    /// The first part of the text that stands in the item.
    pub matched: String,
    /// Share of the item's n-grams that the text holds, in `(0, 1]`; 1 for whole items.
    pub coverage: f64,
}

/// Overlaps of a data set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DecontaminationReport {
    /// Texts looked at.
    pub texts: usize,
    /// Overlaps by benchmark and pass.
    pub counts: BTreeMap<String, BTreeMap<Pass, usize>>,
    /// Each overlap, with the position of the text.
    pub found: Vec<(usize, Contamination)>,
}

impl DecontaminationReport {
    /// Counts a text.
    pub fn add(&mut self, found: Option<Contamination>) {
        if let Some(found) = found {
            let passes = self.counts.entry(found.benchmark.clone()).or_default();
            *passes.entry(found.pass).or_default() += 1;
            self.found.push((self.texts, found));
        }
        self.texts += 1;
    }

    /// Share of texts that overlap.
    pub fn share(&self) -> f64 {
        if self.texts == 0 { 0.0 } else { self.found.len() as f64 / self.texts as f64 }
    }
}
