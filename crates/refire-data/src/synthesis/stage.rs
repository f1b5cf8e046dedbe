use super::Asker;
use crate::{DataError, Passed, Record, Stage};
use refire_core::{BoxError, Message, RolloutEngine, SamplingParams};

/// What a recipe made of a record: new records, or why there is none.
pub type Made = Result<Vec<Record>, &'static str>;

/// A way to have a model make records of records.
///
/// Implemented by [`DraftRevise`](crate::DraftRevise), [`Critique`](crate::Critique),
/// [`DocumentQa`](crate::DocumentQa), [`Guidance`](crate::Guidance),
/// [`WeakToStrong`](crate::WeakToStrong) with a function that finds answers, and
/// [`RationaleMemory`](crate::RationaleMemory) with one that judges rationales.
pub trait Recipe {
    /// Its name in reports.
    fn name(&self) -> &str;

    /// What comes of each record, in order; the model is asked about all of them together.
    ///
    /// # Errors
    /// When asking fails.
    fn make(&mut self, asker: &mut Asker<'_>, records: &[Record]) -> Result<Vec<Made>, DataError>;
}

type Encode = Box<dyn Fn(&[Message]) -> Result<Vec<u32>, BoxError>>;

/// A recipe as a stage: a record becomes what is made of it, or is removed with the reason why
/// nothing was.
///
/// Rounds of asking are counted over all batches, so that no two draw the same; the count is what a
/// resumed run needs.
pub struct SynthesisStage<R> {
    recipe: R,
    engine: Box<dyn RolloutEngine>,
    encode: Encode,
    params: SamplingParams,
    round: u64,
}

impl<R> std::fmt::Debug for SynthesisStage<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SynthesisStage").field("round", &self.round).finish_non_exhaustive()
    }
}

impl<R: Recipe> SynthesisStage<R> {
    /// A recipe over an engine; `encode` renders and tokenises messages.
    pub fn new(
        recipe: R,
        engine: Box<dyn RolloutEngine>,
        encode: impl Fn(&[Message]) -> Result<Vec<u32>, BoxError> + 'static,
        params: SamplingParams,
    ) -> Self {
        Self { recipe, engine, encode: Box::new(encode), params, round: 0 }
    }

    /// Goes on from a round, as a resumed run does.
    pub fn with_round(mut self, round: u64) -> Self {
        self.round = round;
        self
    }

    /// Rounds asked so far.
    pub fn round(&self) -> u64 {
        self.round
    }
}

impl<R: Recipe> Stage for SynthesisStage<R> {
    fn name(&self) -> &str {
        self.recipe.name()
    }

    fn run(&mut self, records: Vec<Record>) -> Result<Passed, DataError> {
        let params = self.params.clone();
        let mut asker = Asker::new(&mut *self.engine, &*self.encode, params).with_round(self.round);
        let made = self.recipe.make(&mut asker, &records)?;
        self.round = asker.round();
        let (found, expected) = (made.len(), records.len());
        if found != expected {
            return Err(DataError::Count { what: "records of a recipe", found, expected });
        }
        let mut passed = Passed::default();
        for (record, made) in records.into_iter().zip(made) {
            match made {
                Ok(records) => {
                    passed.changed += records.len();
                    passed.records.extend(records);
                }
                Err(reason) => passed.remove(record, reason, ""),
            }
        }
        Ok(passed)
    }
}
