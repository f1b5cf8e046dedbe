use crate::batcher::{learned, row_batch, split};
use crate::drive::{Emit, Loop, Trained};
use crate::own_tokens::{OwnTokens, blend};
use crate::{Evaluator, SftConfig, TrainError, Trainer, held_out_rows};
use refire_core::{
    BoxError, Metric, Metrics, Phase, RolloutEngine, Row, RowSource, Stateful, WeightUpdate,
};
use refire_objective::{
    Counts, FrozenPolicy, HeadQuery, InputNoise, Objective, Policy, StepContext,
};

/// Supervised fine-tuning: rows in, likelihood up.
///
/// One step: take rows, split them into micro-batches, accumulate the gradient normalised by the
/// counts of the whole step, clip, update. The documents of a packed row don't see each other.
pub type SftTrainer = Trainer<Sft>;

/// The loop of [`SftTrainer`].
pub struct Sft {
    policy: Box<dyn Policy>,
    source: Box<dyn RowSource>,
    objective: Box<dyn Objective>,
    config: SftConfig,
    reference: Option<Box<dyn FrozenPolicy>>,
    own_tokens: Option<OwnTokens>,
    held_out: Vec<Row>,
    evaluator: Option<(Box<dyn Evaluator>, Box<dyn RolloutEngine>)>,
}

impl std::fmt::Debug for Sft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sft").field("config", &self.config).finish_non_exhaustive()
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
        let (reference, own_tokens, held_out, evaluator) = (None, None, Vec::new(), None);
        Ok(Self::of(Sft {
            policy,
            source,
            objective,
            config,
            reference,
            own_tokens,
            held_out,
            evaluator,
        }))
    }

    /// The frozen reference or teacher of a KL term.
    pub fn with_reference(mut self, reference: Box<dyn FrozenPolicy>) -> Self {
        self.work.reference = Some(reference);
        self
    }

    /// Blends what the policy itself would have written into what it reads: `share` of its own
    /// token in each input embedding at a step, from 0 to 1 (intuitive fine-tuning; see
    /// `refire_sft::loss::IftConfig::lambda`). It takes a second pass over each batch, without
    /// gradient; where the share is 0 there is none.
    pub fn with_own_tokens(mut self, share: impl FnMut(u64) -> f64 + Send + 'static) -> Self {
        self.work.own_tokens = Some(Box::new(share));
        self
    }

    /// Measures the loss on rows that aren't trained on, at each evaluation
    /// ([`SftConfig::evaluate_every`]): `eval_loss`, the mean negative log-probability of their
    /// learned tokens, in nats.
    ///
    /// # Errors
    /// When a row's columns differ in length, or no row has a token to learn.
    pub fn with_held_out(mut self, rows: Vec<Row>) -> Result<Self, TrainError> {
        let problem = |problem: String| TrainError::Config { problems: vec![problem] };
        let rows = rows.into_iter().map(Row::into_documents).collect::<Result<Vec<_>, _>>();
        let mut rows = rows.map_err(|error| problem(format!("held-out rows: {error}")))?.concat();
        rows.retain(|row| learned(row).contains(&true));
        if rows.is_empty() {
            return Err(problem("no held-out row has a token to learn".to_owned()));
        }
        self.work.held_out = rows;
        Ok(self)
    }

    /// Evaluates during training, by generating with this engine.
    pub fn with_evaluator(
        mut self,
        evaluator: Box<dyn Evaluator>,
        engine: Box<dyn RolloutEngine>,
    ) -> Self {
        self.work.evaluator = Some((evaluator, engine));
        self
    }

    /// The policy.
    pub fn policy(&self) -> &dyn Policy {
        self.work.policy.as_ref()
    }

    /// Gives the policy back.
    pub fn into_policy(self) -> Box<dyn Policy> {
        self.work.policy
    }
}

impl Sft {
    /// Accumulates the gradient of one micro-batch: the rows of these indices.
    fn accumulate(
        &mut self,
        rows: &[Row],
        part: Vec<usize>,
        counts: &Counts,
        step: u64,
        metrics: &mut Metrics,
    ) -> Result<(), BoxError> {
        let chosen: Vec<&Row> = part.iter().map(|row| &rows[*row]).collect();
        let (mut batch, mut targets) = row_batch(&chosen, &self.policy.device());
        let first = part.first().copied().unwrap_or_default();
        targets.row_ids = part;
        let share = self.own_tokens.as_mut().map_or(0.0, |share| share(step));
        if share != 0.0 {
            batch.input_edit.blend = Some(blend(self.policy.as_ref(), &batch, share)?);
        }
        if let Some(alpha) = self.config.neftune_alpha {
            // Rows are told apart by their place in the batch; batches by their first row.
            let seed = refire_core::Stream::new(
                self.config.seed,
                refire_core::Purpose::named("neftune"),
                step,
                first as u64,
                0,
            );
            batch.input_edit.noise = Some(InputNoise { alpha, seed: seed.clone().bits() });
        }
        let temperature = vec![1.0; chosen.len()];
        let mut needs = self.objective.needs();
        let mut query = HeadQuery {
            needs: refire_core::Needs::NONE,
            temperature: &temperature,
            reference: self.reference.as_deref(),
            coefficients: None,
        };
        if let Some(reference) = query.reference.filter(|_| needs.ref_logprobs) {
            targets.ref_logprobs = Some(reference.token_stats(&batch, &query)?.logprobs);
        }
        let coefficients = self.objective.known_coefficients(&targets, counts);
        needs.entropy |= self.config.log_entropy;
        (query.needs, query.coefficients) = (needs, coefficients.as_ref());
        let objective = &self.objective;
        let report = self.policy.accumulate(&batch, &query, &mut |stats| {
            objective.loss(&stats, &targets, &StepContext::empty(), counts)
        })?;
        metrics.extend(report.metrics);
        Ok(())
    }
}

impl Loop for Sft {
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

    fn check(&self) -> Result<(), BoxError> {
        let needs = self.objective.needs();
        TrainError::needs_reference(self.objective.name(), needs, self.reference.is_some())
    }

    fn models(&mut self) -> Vec<(&'static str, Trained<'_>)> {
        vec![("policy", Trained::Policy(self.policy.as_mut()))]
    }

    fn parts(&mut self) -> Vec<(&str, &mut dyn Stateful)> {
        let mut parts: Vec<(&str, &mut dyn Stateful)> =
            vec![("source", &mut self.source), ("objective", &mut self.objective)];
        if let Some((evaluator, _)) = &mut self.evaluator {
            parts.push(("evaluator", evaluator));
        }
        parts
    }

    fn step(&mut self, step: u64, _emit: &mut Emit<'_>) -> Result<Option<Metrics>, BoxError> {
        let rows = self.source.next(self.config.rows_per_step)?;
        if rows.is_empty() {
            return TrainError::exhausted("training rows", step);
        }
        let rows = rows.into_iter().map(Row::into_documents).collect::<Result<Vec<_>, _>>()?;
        let rows = rows.concat();
        let units = (0..rows.len()).map(|row| row..row + 1).collect();
        let parts = split(units, |row| rows[row].tokens.len(), self.config.micro_batch, "row")?;
        let counts = Counts::of(rows.iter().map(learned), parts.len());
        let mut metrics = Metrics::default();
        for part in parts {
            self.accumulate(&rows, part, &counts, step, &mut metrics)?;
        }
        let rate = self.config.learning_rate * self.config.schedule.rate(step, self.config.steps);
        let report = self.policy.step(rate)?;
        metrics.add(Metric::mean("grad_norm", report.grad_norm, 1.0));
        metrics.add(Metric::mean("learning_rate", rate, 1.0));
        metrics.add(Metric::sum("num_tokens", counts.tokens));
        Ok(Some(metrics))
    }

    fn evaluate(&mut self) -> Result<Option<Metrics>, BoxError> {
        let mut metrics = Metrics::default();
        if !self.held_out.is_empty() {
            let limits = self.config.micro_batch;
            metrics.extend(held_out_rows::loss(self.policy.as_ref(), &self.held_out, limits)?);
        }
        if let Some((evaluator, engine)) = &mut self.evaluator {
            engine.refresh(&WeightUpdate::InProcess { version: self.policy.version() })?;
            let found = evaluator.evaluate(engine.as_mut());
            engine.release();
            metrics.extend(found?);
        } else if self.held_out.is_empty() {
            return Ok(None);
        }
        Ok(Some(metrics))
    }
}
