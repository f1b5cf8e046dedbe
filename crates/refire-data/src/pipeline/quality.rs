use super::{Passed, Stage};
use crate::{Cot, DataError, Profile, Record};
use rayon::prelude::*;

/// Removes records that a profile turns down, judged as [`Profile::check_record`] says; those it
/// can't judge go on, and the report counts them by the reason why.
///
/// ```
/// use refire_data::{Example, Gopher, Pipeline, Profile, QualityStage, Record};
/// let mut pipeline = Pipeline::new(vec![Box::new(QualityStage::new(Profile::Gopher(Gopher::default())))]);
/// let page = Record::new(Example::LanguageModelling { content: "Click here".into() });
/// let question = Record::new(Example::PromptOnly { prompt: "2 + 3?".into() });
/// pipeline.run([page, question], &mut |_| Ok(()))?;
/// let report = &pipeline.report().stages[0];
/// assert_eq!(report.removed["words"], 1);
/// assert_eq!(report.not_applied["a question without an answer"], 1);
/// # Ok::<(), refire_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct QualityStage {
    profile: Profile,
}

impl QualityStage {
    /// Applies a profile.
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
        let found: Vec<_> =
            records.par_iter().map(|record| self.profile.check_record(record)).collect();
        let mut passed = Passed::default();
        for (record, found) in records.into_iter().zip(found) {
            match found {
                Ok(None) => passed.records.push(record),
                Ok(Some(rejection)) => passed.remove(record, &rejection.rule, rejection.detail),
                Err(reason) => passed.let_by(record, reason),
            }
        }
        Ok(passed)
    }
}
