//! The methods of this crate as stages.

use super::{Passed, Stage};
use crate::{
    Content, Cot, DataError, DecontaminationReport, Decontaminator, ExactDedup, Example,
    NearConfig, NearDedup, Profile, Record, SentenceConfig, SentenceDedup, SubstringDedup, Trace,
    Words,
};
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

/// Removes records of which a part overlaps with a benchmark: prompt, response, or the response of
/// a preference that was rejected.
#[derive(Debug)]
pub struct DecontaminateStage {
    check: Decontaminator,
    report: DecontaminationReport,
}

impl DecontaminateStage {
    /// Checks the parts one by one: a leak is often all of one and little of the whole.
    pub fn new(check: Decontaminator) -> Self {
        Self { check, report: DecontaminationReport::default() }
    }
}

impl Stage for DecontaminateStage {
    fn name(&self) -> &str {
        "benchmark overlap"
    }

    fn run(&mut self, records: Vec<Record>) -> Result<Passed, DataError> {
        let check = &self.check;
        let one = |record: &Record| {
            let mut parts = record.example.parts().into_iter();
            parts.find_map(|(part, text)| Some((part, check.check(&text)?)))
        };
        let found: Vec<_> = records.par_iter().map(one).collect();
        let mut passed = Passed::default();
        for (record, found) in records.into_iter().zip(found) {
            self.report.add(found.as_ref().map(|(_, found)| found.clone()));
            match found {
                None => passed.records.push(record),
                Some((part, found)) => {
                    let reason = format!("{} in the {part}", found.benchmark);
                    let detail = format!(
                        "item {}, coverage {:.2}: {}",
                        found.item, found.coverage, found.matched
                    );
                    passed.remove(record, &reason, detail);
                }
            }
        }
        Ok(passed)
    }

    fn details(&self) -> Value {
        json!({
            "items": self.check.len(),
            "counts": self.report.counts,
            "index": format!("{:016x}", self.check.version()),
        })
    }
}

/// Removes records that a profile turns down. Finish reason, token count and reference answer are
/// read from the extra columns `finish_reason`, `tokens` and `answer` where they are.
#[derive(Debug)]
pub struct QualityStage {
    profile: Profile,
}

impl QualityStage {
    /// Applies a profile to records with a prompt and a response; others go on as they are.
    pub fn new(profile: Profile) -> Self {
        Self { profile }
    }
}

impl Default for QualityStage {
    fn default() -> Self {
        Self::new(Profile::Cot(Cot::default()))
    }
}

impl Stage for QualityStage {
    fn name(&self) -> &str {
        "quality"
    }

    fn run(&mut self, records: Vec<Record>) -> Result<Passed, DataError> {
        let check = |record: &Record| {
            let (prompt, response) =
                (record.example.prompt_text()?, record.example.response_text()?);
            let extra = |name: &str| record.extra.get(name);
            self.profile.check(&Trace {
                prompt: &prompt,
                response: &response,
                answer: extra("answer").and_then(Value::as_str),
                finish_reason: extra("finish_reason").and_then(Value::as_str),
                tokens: extra("tokens").and_then(Value::as_u64).map(|n| n as usize),
            })
        };
        let found: Vec<_> = records.par_iter().map(check).collect();
        let mut passed = Passed::default();
        for (record, found) in records.into_iter().zip(found) {
            match found {
                None => passed.records.push(record),
                Some(rejection) => passed.remove(record, &rejection.rule, rejection.detail),
            }
        }
        Ok(passed)
    }
}

/// Cuts parts out of plain texts; records of other kinds go on as they are.
fn cut(records: Vec<Record>, step: &str, mut clean: impl FnMut(&str) -> Option<String>) -> Passed {
    let mut passed = Passed::default();
    for record in records {
        let Example::LanguageModelling { content: Content::Text(text) } = &record.example else {
            passed.records.push(record);
            continue;
        };
        match clean(text) {
            None => passed.records.push(record),
            Some(rest) if rest.trim().is_empty() => {
                passed.remove(record, "nothing left", "all of it stood in earlier texts");
            }
            Some(rest) => {
                let example = Example::LanguageModelling { content: rest.into() };
                passed.records.push(record.derive(example, step));
                passed.changed += 1;
            }
        }
    }
    passed
}

/// Cuts repeated spans of sentences out of texts.
#[derive(Debug)]
pub struct SentenceStage(SentenceDedup);

impl SentenceStage {
    /// A stage that has seen nothing.
    ///
    /// # Errors
    /// When the configuration is wrong.
    pub fn new(config: SentenceConfig) -> Result<Self, DataError> {
        Ok(Self(SentenceDedup::new(config)?))
    }
}

impl Stage for SentenceStage {
    fn name(&self) -> &str {
        "repeated sentences"
    }

    fn run(&mut self, records: Vec<Record>) -> Result<Passed, DataError> {
        Ok(cut(records, "cut: repeated sentences", |text| self.0.clean(text)))
    }
}

/// Cuts repeated passages out of texts.
#[derive(Debug)]
pub struct SubstringStage(SubstringDedup);

impl SubstringStage {
    /// A stage for passages of at least so many words.
    ///
    /// # Errors
    /// For passages of no word.
    pub fn new(min_words: usize, words: Words) -> Result<Self, DataError> {
        Ok(Self(SubstringDedup::new(min_words, words)?))
    }
}

impl Stage for SubstringStage {
    fn name(&self) -> &str {
        "repeated passages"
    }

    fn run(&mut self, records: Vec<Record>) -> Result<Passed, DataError> {
        Ok(cut(records, "cut: repeated passages", |text| Some(self.0.clean(text)?.text)))
    }
}
