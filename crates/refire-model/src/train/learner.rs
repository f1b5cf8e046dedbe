use super::forward::{Draws, Plan, join, reference, token_stats};
use super::gradients::GradientSum;
use super::optimiser::{Optimiser, Reserve, Update};
use super::report::{Leaves, report, with_balance};
use super::shard::Shard;
use super::{FrozenDecoder, LearnerConfig, MovingDecoder, WeightHandle};
use crate::decoder::{VisitParam, map_params, visit_trained};
use crate::pretrained::{copy, write_texts};
use crate::weights::save_weights;
use crate::{Decoder, ModelError};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rayon::prelude::*;
use refire_core::BoxError;
use refire_objective::head::{Head, HeadStats, Walk};
use refire_objective::{
    Dtype, FrozenPolicy, HeadQuery, Loss, LossReport, Policy, StepReport, TokenBatch, TokenStats,
    WeightInfo,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A decoder that learns: the [`Policy`] of the trainers.
///
/// The body runs under autodiff and gives hidden states at the targets only. The head is walked in
/// chunks outside of autodiff; its statistics become leaves, and the objective's gradient with
/// respect to them flows back in closed form (see [`refire_objective::head`]).
///
/// ```
/// use burn::tensor::Device;
/// use refire_core::Needs;
/// use refire_model::{Decoder, Learner, LearnerConfig, TinyLlama};
/// use refire_objective::{HeadQuery, Loss, Policy, TokenBatch};
///
/// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
/// let mut learner = Learner::new(decoder, LearnerConfig::default());
/// let batch = TokenBatch::continuations([(&[1][..], &[2, 3][..])]);
/// let query = HeadQuery::new(Needs::NONE, &[1.0]);
/// let report = learner.accumulate(&batch, &query, &mut |stats| {
///     Ok(Loss { total: stats.logprobs.sum().neg(), metrics: vec![] })
/// })?;
/// assert!(report.total > 0.0);
/// assert!(learner.step(1e-3)?.grad_norm > 0.0);
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug)]
pub struct Learner {
    pub(super) weights: WeightHandle,
    pub(super) optimiser: Optimiser,
    gradients: GradientSum,
    pub(super) version: u64,
    /// Segments that were read for the next step so far.
    segments: u64,
    /// Whether the weights are in 4 bits, and nothing is beside them that could be trained.
    frozen: bool,
    pub(super) config: LearnerConfig,
    pub(super) device: Device,
    info: WeightInfo,
    /// Tokenizer and other files that an exported folder needs beside the weights.
    companions: Vec<PathBuf>,
    /// Such files by name and content.
    texts: Vec<(String, String)>,
}

impl Learner {
    /// Takes a decoder to train; of one with an adapter, only the adapter is trained, and only it
    /// has optimiser state.
    pub fn new(decoder: Decoder, config: LearnerConfig) -> Self {
        let device = decoder.head_weight().inner().device();
        let mut trained = Count(0);
        visit_trained(&decoder, &mut trained);
        let (parameters, trainable) = (decoder.num_params() + decoder.packed_count(), trained.0);
        let frozen = decoder.is_quantized() && decoder.adapter().is_none();
        let context = decoder.config.max_position_embeddings;
        Self {
            weights: WeightHandle::new(decoder.train()),
            optimiser: Optimiser::default(),
            gradients: GradientSum::default(),
            version: 0,
            segments: 0,
            frozen,
            config,
            device,
            info: WeightInfo { parameters, trainable, context },
            companions: Vec::new(),
            texts: Vec::new(),
        }
    }

    /// Names files that `export` copies beside the weights.
    pub fn with_companions(mut self, files: Vec<PathBuf>) -> Self {
        self.companions = files;
        self
    }

    /// Gives files, by name and content, that `export` writes beside the weights.
    pub(crate) fn with_texts(mut self, files: Vec<(String, String)>) -> Self {
        self.texts = files;
        self
    }

    /// The weights, to be shared with an engine in this process.
    pub fn handle(&self) -> WeightHandle {
        self.weights.clone()
    }

    /// A reference that begins at the present weights and can be moved after them.
    ///
    /// # Errors
    /// When the weights are not available.
    pub fn moving_reference(&self) -> Result<MovingDecoder, ModelError> {
        let frozen = self.weights.with(|decoder, _| FrozenDecoder::new(decoder))?;
        Ok(MovingDecoder::new(frozen.with_shards(self.config.shards), self.handle()))
    }

    /// The network without its adapter: a reference that shares the base's weights and takes no
    /// memory of its own. Without an adapter, the present weights.
    ///
    /// # Errors
    /// When an update failed half-way.
    pub fn base(&self) -> Result<FrozenDecoder, ModelError> {
        let base = self.weights.with(|decoder, _| FrozenDecoder::new(&decoder.base()))?;
        Ok(base.with_shards(self.config.shards))
    }

    /// Writes a Hugging Face folder of the whole network, its adapter merged into its weights.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn export_merged(&self, dir: &Path, dtype: Dtype) -> Result<(), ModelError> {
        std::fs::create_dir_all(dir).map_err(ModelError::io(dir))?;
        let config = self.weights.with(|decoder, _| {
            save_weights(decoder, dir, dtype).map(|()| decoder.config.clone())
        })??;
        crate::pretrained::write_config(&config, dir, dtype)?;
        self.copy_companions(dir)
    }

    fn copy_companions(&self, dir: &Path) -> Result<(), ModelError> {
        for file in &self.companions {
            let Some(name) = file.file_name() else { continue };
            copy(file, &dir.join(name))?;
        }
        write_texts(&self.texts, dir)
    }

    /// Refuses to train a network whose weights can't be.
    pub(super) fn check_trained(&self) -> Result<(), ModelError> {
        if !self.frozen {
            return Ok(());
        }
        let reason = "the weights are in 4 bits, which are frozen: train an adapter beside them \
                      (with_lora), or take them whole (dequantized)";
        Err(ModelError::Adapter { reason: reason.to_owned() })
    }

    /// What the draws of a pass over this batch are keyed by. Segments are counted from one step to
    /// the next, so that a batch draws the same however it is cut.
    pub(super) fn draws(&mut self, batch: &TokenBatch) -> Draws {
        let first = self.segments;
        self.segments += batch.segments.len() as u64;
        Draws { seed: self.config.seed, step: self.version, first }
    }

    /// L2 norm of each parameter's accumulated gradient, by path.
    ///
    /// # Errors
    /// When a norm can't be read from the device.
    pub fn gradient_norms(&self) -> Result<BTreeMap<String, f64>, ModelError> {
        self.gradients.norms()
    }

    /// One parameter's accumulated gradient, flattened.
    pub fn gradient(&self, path: &str) -> Option<Tensor<1>> {
        self.gradients.get(path)
    }

    /// How many shards read a batch.
    pub(super) fn shards(&self) -> usize {
        self.config.shards
    }

    /// Adds the gradients of shards, in their order.
    pub(super) fn add(&mut self, gradients: Vec<GradientSum>) {
        gradients.into_iter().for_each(|sum| self.gradients.add_sum(sum));
    }
}

impl Policy for Learner {
    fn token_stats(
        &self,
        batch: &TokenBatch,
        query: &HeadQuery<'_>,
    ) -> Result<TokenStats, BoxError> {
        let frozen = self.weights.with(|decoder, _| decoder.valid())?;
        token_stats(&frozen, batch, query, self.config.shards)
    }

    fn accumulate(
        &mut self,
        batch: &TokenBatch,
        query: &HeadQuery<'_>,
        loss: &mut dyn FnMut(TokenStats) -> Result<Loss, BoxError>,
    ) -> Result<LossReport, BoxError> {
        self.check_trained()?;
        if self.optimiser.adamw.steps == 0 {
            let mut reserve = Reserve { optimiser: &mut self.optimiser, config: &self.config };
            self.weights.with(|decoder, _| visit_trained(decoder, &mut reserve))?;
        }
        // Clones of handles, dropped before the update.
        let weights = self.weights.with(|decoder, _| decoder.valid())?;
        let shards = self.config.shards;
        let plans = Plan::shards(batch, query.temperature, shards, &weights.config)?;
        if plans.iter().all(Plan::is_empty) {
            let zeros = plans.iter().map(|plan| plan.zeros(query.needs, &self.device));
            return report(&loss(join(zeros).ok_or(NO_SHARDS)?)?);
        }
        let (recompute, draws) = (self.config.gradient_checkpointing, self.draws(batch));
        let shards = plans.par_iter().map(|plan| Shard::forward(plan, &weights, &draws, recompute));
        let mut shards: Vec<Shard<'_>> = shards.collect::<Result<_, _>>()?;
        let balance = self.config.router_aux_loss_coef;
        let balance = balance.and_then(|weight| Shard::balance(&mut shards, weight));
        let (needs, reference) = (query.needs, reference(batch, query)?);
        let reference = reference.as_ref();
        if let Some(coefficients) = query.coefficients {
            let walk = |shard: &Shard<'_>| {
                let flat = shard.plan.gather(coefficients.clone().inner());
                shard.head(reference).stats_and_grads(needs, &flat, shard.trains_head())
            };
            let walked: Vec<_> = shards.par_iter().map(walk).collect::<Result<_, _>>()?;
            let (stats, grads): (Vec<_>, Vec<_>) = walked.into_iter().unzip();
            let report = with_balance(report(&loss(joined(&shards, stats)?)?)?, balance)?;
            let sums = shards.into_par_iter().zip(grads).map(Shard::backward);
            self.add(sums.collect::<Result<_, _>>()?);
            return Ok(report);
        }
        let heads: Vec<Head<'_>> = shards.iter().map(|shard| shard.head(reference)).collect();
        let walks = heads.par_iter().map(|head| head.walk(needs));
        let walks: Vec<Walk<'_>> = walks.collect::<Result<_, _>>()?;
        let stats = walks.iter().map(|walk| walk.stats().clone()).collect();
        let leaves = Leaves::new(joined(&shards, stats)?);
        let loss = loss(leaves.0.clone())?;
        let report = with_balance(report(&loss)?, balance)?;
        if let Some(grads) = leaves.gradients(&loss) {
            let back = |(shard, walk): (&Shard<'_>, Walk<'_>)| {
                let grads = grads.clone().map(|grad| shard.plan.gather(grad));
                walk.backward(&grads, shard.trains_head())
            };
            let found = shards.par_iter().zip(walks).map(back);
            let grads: Vec<_> = found.collect::<Result<_, _>>()?;
            drop(heads);
            let sums = shards.into_par_iter().zip(grads).map(Shard::backward);
            self.add(sums.collect::<Result<_, _>>()?);
        }
        Ok(report)
    }

    fn step(&mut self, rate: f64) -> Result<StepReport, BoxError> {
        let square: f64 = self.gradients.norms()?.values().map(|norm| norm * norm).sum();
        let grad_norm = square.sqrt();
        self.segments = 0;
        if !grad_norm.is_finite() {
            self.gradients.clear();
            return Err(
                ModelError::NotFinite { what: "the gradient norm", value: grad_norm }.into()
            );
        }
        // torch's coefficient, capped at 1.
        let limit = self.config.max_grad_norm.unwrap_or(f64::INFINITY);
        let scale = (limit / (grad_norm + 1e-6)).min(1.0);
        self.optimiser.adamw.steps += 1;
        self.version += 1;
        let mut update = Update {
            optimiser: &mut self.optimiser,
            gradients: &self.gradients,
            config: &self.config,
            scale,
            rate,
        };
        self.weights.update(self.version, |decoder| map_params(decoder, &mut update))?;
        self.gradients.clear();
        Ok(StepReport { grad_norm, version: self.version })
    }

    fn freeze(&self) -> Box<dyn FrozenPolicy> {
        match self.weights.with(|decoder, _| FrozenDecoder::new(decoder)) {
            Ok(frozen) => Box::new(frozen.with_shards(self.config.shards)),
            Err(error) => Box::new(Unavailable(error.to_string())),
        }
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn device(&self) -> Device {
        self.device.clone()
    }

    fn info(&self) -> WeightInfo {
        self.info
    }

    fn export(&self, dir: &Path, dtype: Dtype) -> Result<(), BoxError> {
        let adapted = self.weights.with(|decoder, _| decoder.adapter().is_some())?;
        if !adapted {
            return Ok(self.export_merged(dir, dtype)?);
        }
        self.weights.with(|decoder, _| decoder.save_adapter(dir, dtype))??;
        Ok(self.copy_companions(dir)?)
    }

    fn save_state(&self, dir: &Path) -> Result<(), BoxError> {
        super::state::save(self, dir).map_err(BoxError::from)
    }

    fn load_state(&mut self, dir: &Path) -> Result<(), BoxError> {
        super::state::load(self, dir).map_err(BoxError::from)
    }
}

pub(super) const NO_SHARDS: ModelError = ModelError::Weights { reason: "a batch without shards" };

fn joined(shards: &[Shard<'_>], stats: Vec<HeadStats>) -> Result<TokenStats, ModelError> {
    let parts = shards.iter().zip(stats).map(|(shard, stats)| shard.plan.spread_all(stats));
    join(parts).ok_or(NO_SHARDS)
}

/// Numbers of parameters.
struct Count(usize);

impl VisitParam for Count {
    fn visit<const D: usize>(&mut self, _path: &str, tensor: Tensor<D>) {
        self.0 += tensor.dims().iter().product::<usize>();
    }
}

/// A frozen policy that could not be made.
struct Unavailable(String);

impl FrozenPolicy for Unavailable {
    fn token_stats(&self, _: &TokenBatch, _: &HeadQuery<'_>) -> Result<TokenStats, BoxError> {
        Err(self.0.clone().into())
    }
}
