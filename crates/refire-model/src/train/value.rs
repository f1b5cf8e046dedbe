use super::forward::Plan;
use super::gradients::GradientSum;
use super::learner::NO_SHARDS;
use super::report::report;
use super::shard::Shard;
use super::{Learner, LearnerConfig, WeightHandle};
use crate::{Decoder, ModelError};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rayon::prelude::*;
use refire_core::BoxError;
use refire_objective::{
    Critic, Dtype, Loss, LossReport, Policy, RewardModel, StepReport, TokenBatch,
};
use std::path::Path;

/// A decoder with a score head that learns: the [`Critic`] of the trainers, and the reward model
/// of a preference run.
///
/// ```
/// use burn::tensor::Device;
/// use refire_model::{Decoder, LearnerConfig, TinyLlama, ValueLearner};
/// use refire_objective::{Critic, Loss, TokenBatch};
///
/// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
/// let mut critic = ValueLearner::new(decoder.with_score_head(0), LearnerConfig::default())?;
/// let batch = TokenBatch::continuations([(&[1][..], &[2, 3][..])]);
/// let before = critic.values(&batch)?.sum().into_scalar::<f32>();
/// critic.accumulate(&batch, &mut |values| {
///     Ok(Loss { total: values.sum().neg(), metrics: vec![] })
/// })?;
/// critic.step(1e-3)?;
/// assert!(critic.values(&batch)?.sum().into_scalar::<f32>() > before);
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug)]
pub struct ValueLearner(Learner);

impl ValueLearner {
    /// Takes a decoder with a score head; see
    /// [`Decoder::with_score_head`](crate::Decoder::with_score_head).
    ///
    /// # Errors
    /// When the decoder has none.
    pub fn new(decoder: Decoder, config: LearnerConfig) -> Result<Self, ModelError> {
        if decoder.score.is_none() {
            return Err(ModelError::Weights { reason: "the decoder has no score head" });
        }
        Ok(Self(Learner::new(decoder, config)))
    }

    /// As [`Learner::with_companions`].
    pub fn with_companions(self, files: Vec<std::path::PathBuf>) -> Self {
        Self(self.0.with_companions(files))
    }

    /// The weights, to be shared in this process.
    pub fn handle(&self) -> WeightHandle {
        self.0.handle()
    }

    /// A frozen copy of the present weights, as a reward model.
    ///
    /// # Errors
    /// When an update failed half-way.
    pub fn freeze(&self) -> Result<ScoreModel, ModelError> {
        let decoder = self.0.weights.with(|decoder, _| decoder.valid())?;
        Ok(ScoreModel { decoder, shards: self.0.shards() })
    }
}

impl Critic for ValueLearner {
    fn values(&self, batch: &TokenBatch) -> Result<Tensor<2>, BoxError> {
        let frozen = self.0.weights.with(|decoder, _| decoder.valid())?;
        values(&frozen, batch, self.0.shards())
    }

    fn accumulate(
        &mut self,
        batch: &TokenBatch,
        loss: &mut dyn FnMut(Tensor<2>) -> Result<Loss, BoxError>,
    ) -> Result<LossReport, BoxError> {
        self.0.check_trained()?;
        let weights = self.0.weights.with(|decoder, _| decoder.valid())?;
        let temperature = vec![1.0; batch.rows];
        let plans = Plan::shards(batch, &temperature, self.0.shards(), &weights.config)?;
        if plans.iter().all(Plan::is_empty) {
            let zeros = Tensor::zeros([batch.rows, batch.width], &Policy::device(&self.0));
            return report(&loss(zeros)?);
        }
        let (recompute, draws) = (self.0.config.gradient_checkpointing, self.0.draws(batch));
        let shards = plans.par_iter().map(|plan| Shard::forward(plan, &weights, &draws, recompute));
        let shards: Vec<Shard<'_>> = shards.collect::<Result<_, _>>()?;
        let leaves: Vec<Tensor<2>> = shards
            .iter()
            .map(|shard| Tensor::from_inner(shard.hidden.clone()).require_grad())
            .collect();
        let scores = shards.iter().zip(&leaves).map(|(s, leaf)| score(&s.decoder, leaf.clone()));
        let scores: Vec<Tensor<1>> = scores.collect::<Result<_, _>>()?;
        let spread = shards.iter().zip(&scores).map(|(s, v)| s.plan.spread(v.clone().inner()));
        let values = spread.reduce(|a, b| a + b).ok_or(NO_SHARDS)?;
        let values = Tensor::from_inner(values).require_grad();
        let loss = loss(values.clone())?;
        let report = report(&loss)?;
        let grads = loss.total.is_tracked().then(|| values.grad(&loss.total.backward())).flatten();
        if let Some(grads) = grads {
            let backward = |(shard, (leaf, scores)): (Shard<'_>, (Tensor<2>, Tensor<1>))| {
                let grads = Tensor::from_inner(shard.plan.gather(grads.clone()));
                let found = (scores * grads).sum().backward();
                let mut gradients = GradientSum::default();
                if let Some(head) = &shard.decoder.score {
                    gradients.add_all("score", head, &found);
                }
                let none = || shard.hidden.zeros_like();
                let hidden = leaf.grad(&found).unwrap_or_else(none);
                shard.body(hidden, &mut gradients)?;
                Ok(gradients)
            };
            let of_heads = leaves.into_iter().zip(scores).collect::<Vec<_>>();
            let sums = shards.into_par_iter().zip(of_heads).map(backward);
            self.0.add(sums.collect::<Result<_, ModelError>>()?);
        }
        Ok(report)
    }

    fn step(&mut self, rate: f64) -> Result<StepReport, BoxError> {
        self.0.step(rate)
    }

    fn version(&self) -> u64 {
        Policy::version(&self.0)
    }

    fn device(&self) -> Device {
        Policy::device(&self.0)
    }

    fn export(&self, dir: &Path, dtype: Dtype) -> Result<(), BoxError> {
        self.0.export(dir, dtype)
    }

    fn save_state(&self, dir: &Path) -> Result<(), BoxError> {
        self.0.save_state(dir)
    }

    fn load_state(&mut self, dir: &Path) -> Result<(), BoxError> {
        self.0.load_state(dir)
    }
}

/// A frozen model of scores: a [`RewardModel`].
#[derive(Debug, Clone)]
pub struct ScoreModel {
    decoder: Decoder,
    shards: usize,
}

impl ScoreModel {
    /// Freezes a decoder with a score head.
    ///
    /// # Errors
    /// When the decoder has none.
    pub fn new(decoder: &Decoder) -> Result<Self, ModelError> {
        if decoder.score.is_none() {
            return Err(ModelError::Weights { reason: "the decoder has no score head" });
        }
        Ok(Self { decoder: decoder.valid(), shards: 1 })
    }
}

impl RewardModel for ScoreModel {
    fn scores(&self, rows: &[&[u32]]) -> Result<Vec<f64>, BoxError> {
        let batch = TokenBatch::ends(rows.iter().copied());
        let scores = values(&self.decoder, &batch, self.shards)?;
        Ok(scores.into_data().iter::<f64>().collect())
    }
}

/// Scores `[n]` from hidden states `[n, hidden]`.
fn score(decoder: &Decoder, hidden: Tensor<2>) -> Result<Tensor<1>, ModelError> {
    let head = decoder.score.as_ref();
    let head = head.ok_or(ModelError::Weights { reason: "the decoder has no score head" })?;
    Ok(head.forward(hidden).flatten(0, 1))
}

fn values(decoder: &Decoder, batch: &TokenBatch, shards: usize) -> Result<Tensor<2>, BoxError> {
    let plans = Plan::shards(batch, &vec![1.0; batch.rows], shards, &decoder.config)?;
    let parts = plans.par_iter().map(|plan| {
        if plan.is_empty() {
            let device = decoder.head_weight().inner().device();
            return Ok(Tensor::zeros([batch.rows, batch.width], &device));
        }
        Ok(plan.spread(score(decoder, plan.hidden(decoder)?)?))
    });
    let parts: Vec<Tensor<2>> = parts.collect::<Result<_, ModelError>>()?;
    parts.into_iter().reduce(|a, b| a + b).ok_or_else(|| NO_SHARDS.into())
}
