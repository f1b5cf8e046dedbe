use crate::batcher::{step_batch, step_parts};
use crate::drive::{Emit, Loop, Trained};
use crate::learn::{Ask, Gradient, Passes, counts, gap};
use crate::mix::{Mix, minibatches};
use crate::reference::Reference;
use crate::{Evaluator, RlConfig, RolloutStage, Rollouts, TrainError, Trainer};
use refire_core::{
    Advantage, BatchSource, BoxError, Columns, Event, Metric, Metrics, Needs, Phase, Score, Source,
    Stateful, StepController, StepSettings, StepView, WeightUpdate,
};
use refire_objective::{
    Critic, FrozenPolicy, MovingReference, Objective, Policy, ReferenceSchedule, StepContext,
    ValueObjective,
};
use std::time::Instant;

/// Reinforcement learning with verifiable rewards.
///
/// One step: generate, score, filter; advantages; updates of the policy, and of the critic where
/// there is one.
pub type RlTrainer = Trainer<Rl>;

/// The loop of [`RlTrainer`].
pub struct Rl {
    policy: Box<dyn Policy>,
    stage: RolloutStage,
    advantage: Box<dyn Advantage>,
    objective: Box<dyn Objective>,
    config: RlConfig,
    reference: Option<Reference>,
    mix: Mix,
    critic: Option<Valued>,
    controller: Option<Box<dyn StepController>>,
    evaluator: Option<Box<dyn Evaluator>>,
    last: Option<Metrics>,
}

/// A critic and what it minimises.
struct Valued {
    critic: Box<dyn Critic>,
    objective: Box<dyn ValueObjective>,
}

impl std::fmt::Debug for Rl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rl").field("config", &self.config).finish_non_exhaustive()
    }
}

impl RlTrainer {
    /// A trainer at step 0.
    ///
    /// # Errors
    /// Lists every problem of the configuration.
    pub fn new(
        policy: Box<dyn Policy>,
        stage: RolloutStage,
        advantage: Box<dyn Advantage>,
        objective: Box<dyn Objective>,
        config: RlConfig,
    ) -> Result<Self, TrainError> {
        config.validate()?;
        Ok(Self::of(Rl {
            policy,
            stage,
            advantage,
            objective,
            config,
            reference: None,
            mix: Mix::NONE,
            critic: None,
            controller: None,
            evaluator: None,
            last: None,
        }))
    }

    /// The frozen reference of a KL term.
    pub fn with_reference(mut self, reference: Box<dyn FrozenPolicy>) -> Self {
        self.work.reference = Some(Reference::Frozen(reference));
        self
    }

    /// A reference that follows the policy on this schedule (TR-DPO, ProRL's resets).
    pub fn with_moving_reference(
        mut self,
        reference: Box<dyn MovingReference>,
        schedule: Box<dyn ReferenceSchedule>,
    ) -> Self {
        self.work.reference = Some(Reference::Moving(reference, schedule));
        self
    }

    /// Trains on `groups` groups of this source beside each step's rollouts: demonstrations for
    /// CHORD, a replay buffer. They go through columns, advantages and the objective like rollouts,
    /// which is why the objective must know how to treat them; every update of a step gets its share.
    pub fn with_batches(mut self, source: Box<dyn BatchSource>, groups: usize) -> Self {
        self.work.mix.push(source, groups);
        self
    }

    /// The critic whose values the advantage reads, and the loss that trains it.
    pub fn with_critic(
        mut self,
        critic: Box<dyn Critic>,
        objective: Box<dyn ValueObjective>,
    ) -> Self {
        self.work.critic = Some(Valued { critic, objective });
        self
    }

    /// Changes settings from step to step.
    pub fn with_controller(mut self, controller: Box<dyn StepController>) -> Self {
        self.work.controller = Some(controller);
        self
    }

    /// Evaluates during training, with the stage's engine.
    pub fn with_evaluator(mut self, evaluator: Box<dyn Evaluator>) -> Self {
        self.work.evaluator = Some(evaluator);
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

    /// The critic, if there is one.
    pub fn critic(&self) -> Option<&dyn Critic> {
        self.work.critic.as_ref().map(|valued| valued.critic.as_ref())
    }
}

impl Rl {
    fn needs(&self) -> Needs {
        self.advantage.needs().union(self.objective.needs())
    }

    /// Masks in force: the completions' own, without those that the token limit cut off.
    fn masks(&self, rollouts: &Rollouts) -> Vec<Vec<bool>> {
        let completions = rollouts.groups.iter().flat_map(|group| &group.completions);
        let masks = completions.map(|completion| {
            let masked_out = self.config.mask_truncated && completion.is_truncated();
            if masked_out { vec![false; completion.len()] } else { completion.loss_mask.clone() }
        });
        masks.collect()
    }

    /// Columns that somebody asked for: of the policy as it stands, the reference and the critic.
    fn columns(&self, view: &StepView<'_>) -> Result<Columns, BoxError> {
        let needs = self.needs();
        let (micro_batch, device) = (self.config.micro_batch, self.policy.device());
        let passes = Passes { view, micro_batch, device };
        let mut columns = Columns::default();
        // With one update per step the policy itself is the old one.
        let several = self.config.epochs * self.config.minibatches > 1;
        if several || needs.old_logprobs || needs.sum_sq {
            let own = Needs { entropy: needs.entropy, sum_sq: needs.sum_sq, ..Needs::NONE };
            let old = passes.stats(own, &|batch, query| self.policy.token_stats(batch, query))?;
            let version = self.policy.version();
            let column = |rows| passes.column(rows, Source::Trainer, version);
            columns.old_logprobs = Some(column(old.logprobs));
            columns.entropy = old.entropy.map(column);
            columns.sum_sq = old.sum_sq.map(column);
        }
        if let Some(reference) = self.reference.as_ref().filter(|_| needs.ref_logprobs) {
            let ask: &Ask<'_> = &|batch, query| reference.policy().token_stats(batch, query);
            let rows = passes.stats(Needs::NONE, ask)?.logprobs;
            let version = reference.version();
            columns.ref_logprobs = Some(passes.column(rows, Source::Reference, version));
        }
        if let Some(Valued { critic, .. }) = self.critic.as_ref().filter(|_| needs.values) {
            let values = passes.stats(Needs::NONE, &|batch, _| {
                Ok(refire_objective::TokenStats::from_logprobs(critic.values(batch)?))
            })?;
            let version = critic.version();
            columns.values = Some(passes.column(values.logprobs, Source::Critic, version));
        }
        Ok(columns)
    }

    /// All updates of a step, whose first `own` groups are rollouts.
    fn update(
        &mut self,
        view: &StepView<'_>,
        context: &StepContext,
        own: usize,
    ) -> Result<Metrics, BoxError> {
        let step = view.step;
        let course = self.config.schedule.rate(step, self.config.steps);
        let rate = self.config.learning_rate * course;
        let mut metrics = Metrics::default();
        metrics.add(Metric::mean("learning_rate", rate, 1.0));
        let own_rows = view.groups[..own].iter().map(|group| group.completions.len()).sum();
        let minibatches = minibatches(own, view.groups.len(), self.config.minibatches);
        for epoch in 0..self.config.epochs {
            for (index, minibatch) in minibatches.iter().enumerate() {
                // Engine and trainer are compared on the rollouts, before the first update.
                let first = if epoch == 0 && index == 0 { own_rows } else { 0 };
                if step >= self.config.critic.warmup_steps {
                    self.update_policy(view, context, minibatch, (first, rate), &mut metrics)?;
                }
                let rate = self.config.critic.learning_rate * course;
                self.update_critic(view, minibatch, rate, &mut metrics)?;
            }
        }
        Ok(metrics)
    }

    fn update_policy(
        &mut self,
        view: &StepView<'_>,
        context: &StepContext,
        groups: &[usize],
        (compared, rate): (usize, f64),
        metrics: &mut Metrics,
    ) -> Result<(), BoxError> {
        let clock = Instant::now();
        let mut gradient = Gradient {
            policy: self.policy.as_mut(),
            reference: self.reference.as_ref().map(Reference::policy),
            objective: self.objective.as_ref(),
            micro_batch: self.config.micro_batch,
            log_entropy: self.config.log_entropy,
        };
        let look = &mut |part: &[usize], batch: &_, stats: &_, metrics: &mut Metrics| {
            if compared > 0 {
                gap(view, compared, part, batch, stats, metrics);
            }
        };
        metrics.extend(gradient.accumulate(view, context, groups, &|_, _| {}, look)?);
        metrics.add(Metric::sum("backward_seconds", clock.elapsed().as_secs_f64()));
        let clock = Instant::now();
        let report = self.policy.step(rate)?;
        metrics.add(Metric::mean("grad_norm", report.grad_norm, 1.0));
        metrics.add(Metric::sum("optimizer_seconds", clock.elapsed().as_secs_f64()));
        Ok(())
    }

    fn update_critic(
        &mut self,
        view: &StepView<'_>,
        groups: &[usize],
        rate: f64,
        metrics: &mut Metrics,
    ) -> Result<(), BoxError> {
        let Some(Valued { critic, objective }) = &mut self.critic else { return Ok(()) };
        let clock = Instant::now();
        let parts = step_parts(view, groups, objective.scope(), self.config.micro_batch)?;
        let counts = counts(view, groups, parts.len());
        for part in parts {
            let batch = step_batch(view, &part, &critic.device());
            let loss = &mut |values| objective.loss(&values, &batch.targets, &counts);
            let report = critic.accumulate(&batch.tokens, loss)?;
            metrics.add(Metric::sum("value_loss", report.total));
            metrics.extend(report.metrics);
        }
        let report = critic.step(rate)?;
        metrics.add(Metric::mean("critic_grad_norm", report.grad_norm, 1.0));
        metrics.add(Metric::sum("critic_seconds", clock.elapsed().as_secs_f64()));
        Ok(())
    }
}

impl Loop for Rl {
    fn phase(&self) -> Phase {
        Phase::Rl
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
        let (name, needs) = (self.objective.name(), self.needs());
        TrainError::needs_reference(name, needs, self.reference.is_some())?;
        if needs.values && self.critic.is_none() {
            let problem = "the advantage needs a critic's values; add one by `with_critic`";
            return Err(TrainError::Config { problems: vec![problem.to_owned()] }.into());
        }
        Ok(())
    }

    fn models(&mut self) -> Vec<(&'static str, Trained<'_>)> {
        let mut models = vec![("policy", Trained::Policy(self.policy.as_mut()))];
        if let Some((reference, _)) = self.reference.as_mut().and_then(Reference::moving) {
            models.push(("reference", Trained::Reference(reference)));
        }
        if let Some(Valued { critic, .. }) = &mut self.critic {
            models.push(("critic", Trained::Critic(critic.as_mut())));
        }
        models
    }

    fn parts(&mut self) -> Vec<(&str, &mut dyn Stateful)> {
        let mut parts: Vec<(&str, &mut dyn Stateful)> = vec![
            ("source", &mut self.stage.source),
            ("advantage", &mut self.advantage),
            ("objective", &mut self.objective),
        ];
        if let Some(filter) = &mut self.stage.filter {
            parts.push(("filter", filter));
        }
        if let Some(Valued { objective, .. }) = &mut self.critic {
            parts.push(("value_objective", objective));
        }
        if let Some(controller) = &mut self.controller {
            parts.push(("controller", controller));
        }
        if let Some((_, schedule)) = self.reference.as_mut().and_then(Reference::moving) {
            parts.push(("reference_schedule", schedule));
        }
        parts.extend(self.mix.parts());
        if let Some(evaluator) = &mut self.evaluator {
            parts.push(("evaluator", evaluator));
        }
        parts
    }

    /// The algorithm: generate, score, filter; advantages; update.
    fn step(&mut self, step: u64, emit: &mut Emit<'_>) -> Result<Option<Metrics>, BoxError> {
        let mut settings = StepSettings {
            prompts: self.config.prompts_per_step,
            group_size: self.config.group_size,
            sampling: self.config.sampling.clone(),
            greedy_sibling: self.needs().greedy_sibling,
        };
        if let Some(controller) = &mut self.controller {
            controller.control(step, self.last.as_ref(), &mut settings)?;
        }
        let mut rollouts = self.stage.collect(&settings, self.policy.version())?;
        // From here on the engine must not hold the weights that are updated in place.
        self.stage.engine.release();
        if rollouts.groups.is_empty() && rollouts.exhausted {
            return TrainError::exhausted("prompts", step);
        }
        let (groups, scores) = (&rollouts.groups, &rollouts.scores);
        emit(&Event::Rollouts { step: step + 1, groups, scores })?;
        let own = self.mix.add_to(&mut rollouts)?;
        let (groups, scores) = (&rollouts.groups, &rollouts.scores);
        let mask = self.masks(&rollouts);
        let scores: Vec<Score> = scores.concat();
        let view = StepView {
            step,
            groups,
            scores: &scores,
            mask: &mask,
            columns: &Columns::default(),
            advantages: None,
        };
        view.validate()?;
        let mut columns = self.columns(&view)?;
        columns.greedy_rewards =
            settings.greedy_sibling.then(|| std::mem::take(&mut rollouts.greedy_rewards));
        let view = StepView { columns: &columns, ..view };
        let advantages = self.advantage.advantages(&view)?;
        let view = StepView { advantages: Some(&advantages), ..view };
        let mut metrics = std::mem::take(&mut rollouts.metrics);
        if groups.is_empty() {
            metrics.add(Metric::sum("skipped_updates", 1.0));
        } else {
            let context = self.objective.prepare(&view)?;
            metrics.extend(self.update(&view, &context, own)?);
            self.reference.as_mut().map_or(Ok(()), |reference| reference.after(step + 1))?;
        }
        self.last = Some(metrics.clone());
        Ok(Some(metrics))
    }

    fn evaluate(&mut self) -> Result<Option<Metrics>, BoxError> {
        let Some(evaluator) = &mut self.evaluator else { return Ok(None) };
        let engine = &mut self.stage.engine;
        engine.refresh(&WeightUpdate::InProcess { version: self.policy.version() })?;
        let metrics = evaluator.evaluate(engine.as_mut());
        engine.release();
        metrics.map(Some)
    }
}
