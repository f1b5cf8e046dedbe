use crate::head::HeadInput;
use crate::{Loss, LossReport, ObjectiveError, TokenBatch, TokenStats};
use burn::tensor::{Device, Tensor};
use refire_core::{BoxError, Needs, Stateful};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How statistics are to be computed.
#[derive(Clone, Copy)]
pub struct HeadQuery<'a> {
    /// Which statistics beside the log-probabilities.
    pub needs: Needs,
    /// Temperature of each row, above 0: it divides the logits.
    pub temperature: &'a [f32],
    /// Where a full KL is asked for: to whom.
    pub reference: Option<&'a dyn FrozenPolicy>,
    /// `d loss / d logprob` `[rows, time]`, if known beforehand; see
    /// [`Objective::known_coefficients`](crate::Objective::known_coefficients).
    pub coefficients: Option<&'a Tensor<2>>,
}

impl<'a> HeadQuery<'a> {
    /// Without a reference and coefficients.
    ///
    /// ```
    /// use refire_core::Needs;
    /// let query = refire_objective::HeadQuery::new(Needs::NONE, &[1.0, 0.7]);
    /// assert!(query.reference.is_none() && query.coefficients.is_none());
    /// ```
    pub fn new(needs: Needs, temperature: &'a [f32]) -> Self {
        Self { needs, temperature, reference: None, coefficients: None }
    }
}

impl std::fmt::Debug for HeadQuery<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeadQuery")
            .field("needs", &self.needs)
            .field("temperature", &self.temperature)
            .finish_non_exhaustive()
    }
}

/// What an update did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Global L2 norm of the gradient, before clipping.
    pub grad_norm: f64,
    /// Version of the weights after the update.
    pub version: u64,
}

/// Number format of exported weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// 32-bit float.
    #[default]
    F32,
    /// bfloat16, rounded to nearest even.
    Bf16,
    /// IEEE half.
    F16,
}

/// Facts about a policy that a log may want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightInfo {
    /// Parameters in all.
    pub parameters: usize,
    /// Parameters that are trained.
    pub trainable: usize,
    /// Longest row it can read, in tokens.
    pub context: usize,
}

/// A model that is trained.
pub trait Policy: Send {
    /// Statistics without gradient.
    ///
    /// # Errors
    /// For batches that don't fit the model.
    fn token_stats(
        &self,
        batch: &TokenBatch,
        query: &HeadQuery<'_>,
    ) -> Result<TokenStats, BoxError>;

    /// Forward, loss, backward; adds to the gradient of the step.
    ///
    /// # Errors
    /// For batches that don't fit the model, errors of the loss, and losses that aren't finite.
    fn accumulate(
        &mut self,
        batch: &TokenBatch,
        query: &HeadQuery<'_>,
        loss: &mut dyn FnMut(TokenStats) -> Result<Loss, BoxError>,
    ) -> Result<LossReport, BoxError>;

    /// Clips the gradient by its global norm, updates the weights at this learning rate and
    /// forgets the gradient.
    ///
    /// # Errors
    /// When the gradient isn't finite; weights and optimiser stay as they were.
    fn step(&mut self, rate: f64) -> Result<StepReport, BoxError>;

    /// A frozen copy of the present weights.
    fn freeze(&self) -> Box<dyn FrozenPolicy>;

    /// Version of the weights: the number of updates.
    fn version(&self) -> u64;

    /// The device its tensors live on.
    fn device(&self) -> Device;

    /// Facts for logs and checks.
    fn info(&self) -> WeightInfo;

    /// Writes a folder that others can load (Hugging Face layout, or an adapter).
    ///
    /// # Errors
    /// When the folder can't be written.
    fn export(&self, dir: &Path, dtype: Dtype) -> Result<(), BoxError>;

    /// Writes weights and optimiser state, exactly.
    ///
    /// # Errors
    /// When the folder can't be written.
    fn save_state(&self, dir: &Path) -> Result<(), BoxError>;

    /// Takes back what [`save_state`](Self::save_state) wrote.
    ///
    /// # Errors
    /// When the folder can't be read or doesn't fit this model.
    fn load_state(&mut self, dir: &Path) -> Result<(), BoxError>;
}

/// A model that only answers: a reference, an old policy.
pub trait FrozenPolicy: Send + Sync {
    /// Statistics without gradient.
    ///
    /// # Errors
    /// For batches that don't fit the model.
    fn token_stats(
        &self,
        batch: &TokenBatch,
        query: &HeadQuery<'_>,
    ) -> Result<TokenStats, BoxError>;

    /// Hidden states at the batch's targets, in their order, and the layer that turns them into
    /// logits: what a divergence over the whole vocabulary is computed from.
    ///
    /// # Errors
    /// For batches that don't fit the model, and by models that don't offer it.
    fn head_input(&self, _batch: &TokenBatch) -> Result<HeadInput, BoxError> {
        let reason = "this reference gives no hidden states".to_owned();
        Err(ObjectiveError::Unavailable { statistic: "full_kl", reason }.into())
    }

    /// The most likely token at each of the batch's targets, in their order.
    ///
    /// # Errors
    /// As for [`head_input`](Self::head_input).
    fn greedy_tokens(&self, batch: &TokenBatch) -> Result<Vec<u32>, BoxError> {
        Ok(self.head_input(batch)?.greedy_tokens())
    }
}

/// A reference that is moved towards the policy now and then (TR-DPO, ProRL's resets).
pub trait MovingReference: FrozenPolicy {
    /// `reference <- share policy + (1 - share) reference`, weight by weight.
    ///
    /// # Errors
    /// When the policy's weights are not available.
    fn follow(&mut self, share: f64) -> Result<(), BoxError>;

    /// Number of moves so far.
    fn version(&self) -> u64;

    /// Writes the weights, exactly.
    ///
    /// # Errors
    /// When the folder can't be written.
    fn save_state(&self, dir: &Path) -> Result<(), BoxError>;

    /// Takes back what [`save_state`](Self::save_state) wrote.
    ///
    /// # Errors
    /// When the folder can't be read or doesn't fit this model.
    fn load_state(&mut self, dir: &Path) -> Result<(), BoxError>;
}

/// When a [`MovingReference`] moves, and how far.
pub trait ReferenceSchedule: Stateful + Send {
    /// After `step` steps are done: the policy's share in the new reference, if it is time.
    fn after(&mut self, step: u64) -> Option<f64>;
}

/// A model with one number per token that is trained: a critic, whose numbers are expected
/// returns, or a reward model, whose number at a row's end is its score.
pub trait Critic: Send {
    /// Values `[rows, time]` at the targets: before each target token is read.
    ///
    /// # Errors
    /// For batches that don't fit the model.
    fn values(&self, batch: &TokenBatch) -> Result<Tensor<2>, BoxError>;

    /// Forward, loss on the values, backward; adds to the gradient of the step.
    ///
    /// # Errors
    /// As for [`Policy::accumulate`].
    fn accumulate(
        &mut self,
        batch: &TokenBatch,
        loss: &mut dyn FnMut(Tensor<2>) -> Result<Loss, BoxError>,
    ) -> Result<LossReport, BoxError>;

    /// As [`Policy::step`].
    ///
    /// # Errors
    /// As for [`Policy::step`].
    fn step(&mut self, rate: f64) -> Result<StepReport, BoxError>;

    /// As [`Policy::version`].
    fn version(&self) -> u64;

    /// As [`Policy::device`].
    fn device(&self) -> Device;

    /// As [`Policy::export`].
    ///
    /// # Errors
    /// When the folder can't be written.
    fn export(&self, dir: &Path, dtype: Dtype) -> Result<(), BoxError>;

    /// As [`Policy::save_state`].
    ///
    /// # Errors
    /// When the folder can't be written.
    fn save_state(&self, dir: &Path) -> Result<(), BoxError>;

    /// As [`Policy::load_state`].
    ///
    /// # Errors
    /// When the folder can't be read or doesn't fit this model.
    fn load_state(&mut self, dir: &Path) -> Result<(), BoxError>;
}

/// A model that scores whole sequences.
pub trait RewardModel: Send + Sync {
    /// One score per row of tokens, read at its last token.
    ///
    /// # Errors
    /// For rows that don't fit the model.
    fn scores(&self, rows: &[&[u32]]) -> Result<Vec<f64>, BoxError>;
}
