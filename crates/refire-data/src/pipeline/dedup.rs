//! Deduplication of records as stages.

use super::{Passed, Stage};
use crate::{DataError, ExactDedup, NearConfig, NearDedup, Record, Words};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Which part of a record a stage looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The question: right for sets that answers are sampled for. A record whose question isn't
    /// apart is taken as a whole.
    Prompt,
    /// Question and answer: right for supervised data.
    #[default]
    Whole,
}

impl Part {
    /// The text of this part.
    pub fn of(self, record: &Record) -> String {
        match self {
            Self::Prompt => record.example.prompt_text(),
            Self::Whole => None,
        }
        .unwrap_or_else(|| record.example.full_text())
    }
}

/// Removes records equal to an earlier one.
///
/// ```
/// use refire_data::{Example, ExactStage, Part, Record, Stage, Words};
/// let mut stage = ExactStage::new(Part::Prompt, Some(Words::default()));
/// let records = [("What is 2 + 3?", "5"), ("what is 2 + 3", "five")].map(|(prompt, answer)| {
///     Record::new(Example::PromptCompletion { prompt: prompt.into(), completion: answer.into() })
/// });
/// let passed = stage.run(records.into())?;
/// assert_eq!((passed.records.len(), passed.removed[0].reason.as_str()), (1, "exact duplicate"));
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct ExactStage {
    part: Part,
    words: Option<Words>,
    exact: ExactDedup,
}

impl ExactStage {
    /// Compares the words of a part, or with `None` its bytes.
    pub fn new(part: Part, words: Option<Words>) -> Self {
        Self { part, words, exact: ExactDedup::new(words) }
    }
}

impl Stage for ExactStage {
    fn name(&self) -> &str {
        "exact duplicates"
    }

    fn run(&mut self, records: Vec<Record>) -> Result<Passed, DataError> {
        let (part, words) = (self.part, self.words);
        let keys: Vec<u128> =
            records.par_iter().map(|record| ExactDedup::key(words, &part.of(record))).collect();
        let mut passed = Passed::default();
        for (record, key) in records.into_iter().zip(keys) {
            let id = record.id();
            match self.exact.add_key(id.short(), key) {
                None => passed.records.push(record),
                Some(first) => passed.remove(record, "exact duplicate", format!("of {first:016x}")),
            }
        }
        Ok(passed)
    }
}

/// Removes records nearly equal to an earlier one that was kept.
///
/// ```
/// use refire_data::{Example, NearConfig, NearStage, Part, Record, Stage};
/// let mut stage = NearStage::new(Part::Whole, NearConfig::default())?;
/// let text = "the quick brown fox jumps over the lazy dog and runs into the dark green wood";
/// let records = [text.to_owned(), format!("{text} today")]
///     .map(|text| Record::new(Example::LanguageModelling { content: text.into() }));
/// let passed = stage.run(records.into())?;
/// assert_eq!((passed.records.len(), passed.removed[0].reason.as_str()), (1, "near-duplicate"));
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct NearStage {
    part: Part,
    near: NearDedup,
}

impl NearStage {
    /// Compares a part.
    ///
    /// # Errors
    /// When the configuration is wrong.
    pub fn new(part: Part, config: NearConfig) -> Result<Self, DataError> {
        Ok(Self { part, near: NearDedup::new(config)? })
    }
}

impl Stage for NearStage {
    fn name(&self) -> &str {
        "near-duplicates"
    }

    fn run(&mut self, records: Vec<Record>) -> Result<Passed, DataError> {
        let (part, near) = (self.part, &self.near);
        let prints: Vec<_> =
            records.par_iter().map(|record| near.fingerprint(&part.of(record))).collect();
        let mut passed = Passed::default();
        for (record, print) in records.into_iter().zip(prints) {
            match self.near.add(record.id().short(), print)? {
                None => passed.records.push(record),
                Some(found) => {
                    let detail = format!("{:.3} similar to {:016x}", found.similarity, found.of);
                    passed.remove(record, "near-duplicate", detail);
                }
            }
        }
        Ok(passed)
    }

    fn details(&self) -> Value {
        json!({ "kept": self.near.kept() })
    }
}
