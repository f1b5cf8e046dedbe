use crate::batcher::split;
use crate::drive::{Emit, Frame, Outcome, Stepper};
use crate::{CheckpointConfig, Evaluator, SftConfig, TrainError};
use burn::tensor::Device;
use refire_core::{
    BoxError, Callback, Metric, Metrics, Phase, RolloutEngine, Row, RowSource, Stateful,
    WeightUpdate,
};
use refire_objective::{
    Counts, HeadQuery, Objective, Policy, Segment, StepContext, Target, Targets, TokenBatch, padded,
};
use std::path::Path;

/// Supervised fine-tuning: rows in, likelihood up.
///
/// One step: take rows, split them into micro-batches, accumulate the gradient normalised by the
/// counts of the whole step, clip, update.
pub struct SftTrainer {
    policy: Box<dyn Policy>,
    source: Box<dyn RowSource>,
    objective: Box<dyn Objective>,
    config: SftConfig,
    evaluator: Option<(Box<dyn Evaluator>, Box<dyn RolloutEngine>)>,
    frame: Frame,
}

impl std::fmt::Debug for SftTrainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SftTrainer").field("config", &self.config).finish_non_exhaustive()
    }
}

impl SftTrainer {
    /// A trainer at step 0.
    ///
    /// # Errors
    /// Lists every problem of the configuration.
    pub fn new(
        policy: Box<dyn Policy>,
        source: Box<dyn RowSource>,
        objective: Box<dyn Objective>,
        config: SftConfig,
    ) -> Result<Self, TrainError> {
        config.validate()?;
        let frame = Frame::default();
        Ok(Self { policy, source, objective, config, evaluator: None, frame })
    }

    /// Adds a callback.
    pub fn with_callback(mut self, callback: impl Callback + 'static) -> Self {
        self.frame.callbacks.push(Box::new(callback));
        self
    }

    /// Writes checkpoints.
    pub fn with_checkpoints(mut self, config: CheckpointConfig) -> Self {
        self.frame.checkpoints = Some(config);
        self
    }

    /// Evaluates during training, by generating with this engine.
    pub fn with_evaluator(
        mut self,
        evaluator: Box<dyn Evaluator>,
        engine: Box<dyn RolloutEngine>,
    ) -> Self {
        self.evaluator = Some((evaluator, engine));
        self
    }

    /// Goes on from a checkpoint folder, bit for bit.
    ///
    /// # Errors
    /// When it can't be read or belongs to another kind of run.
    pub fn resume(&mut self, path: &Path) -> Result<(), BoxError> {
        self.framed(|frame, trainer| frame.resume(trainer, path))
    }

    /// Trains up to the configured number of steps.
    ///
    /// # Errors
    /// When a part fails; where checkpoints are configured, the last complete step is saved.
    pub fn run(&mut self) -> Result<Outcome, BoxError> {
        self.framed(|frame, trainer| frame.run(trainer))
    }

    /// The policy.
    pub fn policy(&self) -> &dyn Policy {
        self.policy.as_ref()
    }

    /// Gives the policy back.
    pub fn into_policy(self) -> Box<dyn Policy> {
        self.policy
    }

    fn framed<R>(
        &mut self,
        act: impl FnOnce(&mut Frame, &mut Self) -> Result<R, BoxError>,
    ) -> Result<R, BoxError> {
        let mut frame = std::mem::take(&mut self.frame);
        let result = act(&mut frame, self);
        self.frame = frame;
        result
    }
}

impl Stepper for SftTrainer {
    fn phase(&self) -> Phase {
        Phase::Sft
    }

    fn total(&self) -> u64 {
        self.config.steps
    }

    fn evaluate_every(&self) -> u64 {
        self.config.evaluate_every
    }

    fn config(&self) -> Result<serde_json::Value, BoxError> {
        Ok(serde_json::to_value(&self.config)?)
    }

    fn policy(&mut self) -> &mut dyn Policy {
        self.policy.as_mut()
    }

    fn parts(&mut self) -> Vec<(&'static str, &mut dyn Stateful)> {
        let mut parts: Vec<(&'static str, &mut dyn Stateful)> =
            vec![("source", &mut self.source), ("objective", &mut self.objective)];
        if let Some((evaluator, _)) = &mut self.evaluator {
            parts.push(("evaluator", evaluator));
        }
        parts
    }

    fn step(&mut self, step: u64, _emit: &mut Emit<'_>) -> Result<Option<Metrics>, BoxError> {
        let rows = self.source.next(self.config.rows_per_step)?;
        if rows.is_empty() {
            return if step == 0 {
                Err(TrainError::NoData { what: "training rows" }.into())
            } else {
                Ok(None)
            };
        }
        rows.iter().try_for_each(Row::validate)?;
        let masks: Vec<Vec<bool>> = rows.iter().map(learned).collect();
        let units = (0..rows.len()).map(|row| row..row + 1).collect();
        let parts = split(units, |row| rows[row].tokens.len(), self.config.micro_batch, "row")?;
        let counts = Counts::of(&masks, parts.len());
        let device = self.policy.device();
        let mut needs = self.objective.needs();
        needs.entropy |= self.config.log_entropy;
        let mut metrics = Metrics::default();
        for part in parts {
            let rows: Vec<&Row> = part.iter().map(|row| &rows[*row]).collect();
            let masks: Vec<&[bool]> = part.iter().map(|row| masks[*row].as_slice()).collect();
            let (batch, mut targets) = row_batch(&rows, &masks, &device);
            targets.row_ids = part;
            let temperature = vec![1.0; rows.len()];
            let coefficients = self.objective.known_coefficients(&targets, &counts);
            let coefficients = coefficients.as_ref();
            let query =
                HeadQuery { needs, temperature: &temperature, reference: None, coefficients };
            let objective = &self.objective;
            let report = self.policy.accumulate(&batch, &query, &mut |stats| {
                objective.loss(&stats, &targets, &StepContext::empty(), &counts)
            })?;
            metrics.extend(report.metrics);
        }
        let rate = self.config.learning_rate * self.config.schedule.rate(step, self.config.steps);
        let report = self.policy.step(rate)?;
        metrics.add(Metric::mean("grad_norm", report.grad_norm, 1.0));
        metrics.add(Metric::mean("learning_rate", rate, 1.0));
        metrics.add(Metric::sum("num_tokens", counts.tokens));
        Ok(Some(metrics))
    }

    fn evaluate(&mut self) -> Result<Option<Metrics>, BoxError> {
        let Some((evaluator, engine)) = &mut self.evaluator else { return Ok(None) };
        engine.refresh(&WeightUpdate::InProcess { version: self.policy.version() })?;
        let metrics = evaluator.evaluate(engine.as_mut());
        engine.release();
        metrics.map(Some)
    }
}

/// The mask without the first token, which has no context.
fn learned(row: &Row) -> Vec<bool> {
    let mut mask = row.loss_mask.clone();
    if let Some(first) = mask.first_mut() {
        *first = false;
    }
    mask
}

fn row_batch(rows: &[&Row], masks: &[&[bool]], device: &Device) -> (TokenBatch, Targets) {
    let mut batch = TokenBatch { rows: rows.len(), ..TokenBatch::default() };
    for (row, (tokens, mask)) in rows.iter().map(|r| &r.tokens).zip(masks).enumerate() {
        batch.segments.push(Segment { tokens: tokens.clone(), parent: None });
        let learned = (0..tokens.len()).filter(|position| mask[*position]);
        let target = |position| Target { segment: row, position, row, column: position };
        batch.targets.extend(learned.map(target));
        batch.width = batch.width.max(tokens.len());
    }
    batch.width = batch.width.max(1);
    let mut targets = Targets::new(padded::mask(masks.iter().copied(), batch.width, device));
    if rows.iter().any(|row| row.weights.is_some()) {
        let weights: Vec<Vec<f32>> = rows
            .iter()
            .map(|row| row.weights.clone().unwrap_or_else(|| vec![1.0; row.tokens.len()]))
            .collect();
        let weights = padded::floats(weights.iter().map(Vec::as_slice), batch.width, device);
        targets.weights = Some(weights);
    }
    (batch, targets)
}
