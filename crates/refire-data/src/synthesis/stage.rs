use super::Asker;
use crate::{DataError, Passed, Record, Stage};
use refire_core::{
    BoxError, CoreError, Message, RolloutEngine, SamplingParams, Stateful, decode_state,
    encode_state,
};

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

    /// What it remembers from batch to batch, as bytes; none by default.
    ///
    /// # Errors
    /// When it can't be written.
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        Ok(Vec::new())
    }

    /// Takes back what [`state`](Self::state) gave.
    ///
    /// # Errors
    /// When the bytes aren't such a state: by default, when there are any.
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        if state.is_empty() {
            return Ok(());
        }
        let reason = "it was saved by a recipe that remembers".to_owned();
        Err(CoreError::State { owner: "Recipe", reason }.into())
    }
}

type Encode = Box<dyn Fn(&[Message]) -> Result<Vec<u32>, BoxError>>;

/// A recipe as a stage: a record becomes what is made of it, or is removed with the reason why
/// nothing was.
///
/// Rounds of asking are counted over all batches, so that no two draw the same. The count, and what
/// the recipe remembers, are saved state: a resumed stream goes on as one that was never broken.
///
/// ```
/// use refire_core::SamplingParams;
/// use refire_data::{Guidance, Pipeline, Record, SynthesisStage};
/// # use refire_core::{BoxError, Message, RolloutEngine};
/// # fn encode(messages: &[Message]) -> Result<Vec<u32>, BoxError> {
/// #     Ok(messages.iter().flat_map(|m| m.content.bytes().map(u32::from)).collect())
/// # }
/// # fn with(engine: Box<dyn RolloutEngine>, questions: Vec<Record>) -> Result<(), BoxError> {
/// let stage = SynthesisStage::new(Guidance::new()?, engine, encode, SamplingParams::default());
/// let mut pipeline = Pipeline::new(vec![Box::new(stage)]);
/// let mut made = Vec::new();
/// pipeline.run(questions, &mut |record| { made.push(record); Ok(()) })?;
/// let report = &pipeline.report().stages[0];
/// assert_eq!(report.given, made.len() as u64);
/// // How often there is none, by reason.
/// println!("{:?}", report.removed);
/// # Ok(())
/// # }
/// ```
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

    /// The recipe, with what it remembers.
    pub fn recipe(&self) -> &R {
        &self.recipe
    }
}

impl<R: Recipe> Stateful for SynthesisStage<R> {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&(self.recipe.name(), self.round, self.recipe.state()?))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let owner = "SynthesisStage";
        let (name, round, recipe): (String, u64, Vec<u8>) = decode_state(owner, state)?;
        if name != self.recipe.name() {
            let reason = format!("it was saved by `{name}`, this is `{}`", self.recipe.name());
            return Err(CoreError::State { owner, reason }.into());
        }
        self.recipe.restore(&recipe)?;
        self.round = round;
        Ok(())
    }
}

impl<R: Recipe + 'static> Stage for SynthesisStage<R> {
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
