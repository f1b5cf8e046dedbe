use crate::drive::{Emit, Frame, Outcome, Stepper};
use crate::{CheckpointConfig, Evaluator, RlConfig, RolloutStage, Rollouts, TrainError};
use refire_core::{
    Advantage, BoxError, Callback, Columns, Event, Metric, Metrics, Phase, Score, Stateful,
    StepController, StepSettings, StepView, WeightUpdate,
};
use refire_objective::{FrozenPolicy, Objective, Policy};
use std::path::Path;

/// Reinforcement learning with verifiable rewards: the parts, and the loop over them.
pub struct RlTrainer {
    pub(crate) policy: Box<dyn Policy>,
    pub(crate) stage: RolloutStage,
    pub(crate) advantage: Box<dyn Advantage>,
    pub(crate) objective: Box<dyn Objective>,
    pub(crate) config: RlConfig,
    pub(crate) reference: Option<Box<dyn FrozenPolicy>>,
    controller: Option<Box<dyn StepController>>,
    evaluator: Option<Box<dyn Evaluator>>,
    last: Option<Metrics>,
    frame: Frame,
}

impl std::fmt::Debug for RlTrainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RlTrainer").field("config", &self.config).finish_non_exhaustive()
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
        let needs = advantage.needs().union(objective.needs());
        let missing = [("values", needs.values), ("greedy_sibling", needs.greedy_sibling)];
        let problems: Vec<String> = missing
            .into_iter()
            .filter(|(_, wanted)| *wanted)
            .map(|(name, _)| {
                format!("`{}` needs `{name}`, which this trainer can't give", objective.name())
            })
            .collect();
        if !problems.is_empty() {
            return Err(TrainError::Config { problems });
        }
        Ok(Self {
            policy,
            stage,
            advantage,
            objective,
            config,
            reference: None,
            controller: None,
            evaluator: None,
            last: None,
            frame: Frame::default(),
        })
    }

    /// The frozen reference of a KL term.
    pub fn with_reference(mut self, reference: Box<dyn FrozenPolicy>) -> Self {
        self.reference = Some(reference);
        self
    }

    /// Changes settings from step to step.
    pub fn with_controller(mut self, controller: Box<dyn StepController>) -> Self {
        self.controller = Some(controller);
        self
    }

    /// Evaluates during training, with the stage's engine.
    pub fn with_evaluator(mut self, evaluator: Box<dyn Evaluator>) -> Self {
        self.evaluator = Some(evaluator);
        self
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
        let needs = self.advantage.needs().union(self.objective.needs());
        if (needs.ref_logprobs || needs.full_kl.is_some()) && self.reference.is_none() {
            let problem =
                format!("`{}` needs a reference, and there is none", self.objective.name());
            return Err(TrainError::Config { problems: vec![problem] }.into());
        }
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

    /// Masks in force: the completions' own, without those that the token limit cut off.
    fn masks(&self, rollouts: &Rollouts) -> Vec<Vec<bool>> {
        let completions = rollouts.groups.iter().flat_map(|group| &group.completions);
        let masks = completions.map(|completion| {
            let masked_out = self.config.mask_truncated && completion.is_truncated();
            if masked_out { vec![false; completion.len()] } else { completion.loss_mask.clone() }
        });
        masks.collect()
    }
}

impl Stepper for RlTrainer {
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

    fn policy(&mut self) -> &mut dyn Policy {
        self.policy.as_mut()
    }

    fn parts(&mut self) -> Vec<(&'static str, &mut dyn Stateful)> {
        let mut parts: Vec<(&'static str, &mut dyn Stateful)> = vec![
            ("source", &mut self.stage.source),
            ("advantage", &mut self.advantage),
            ("objective", &mut self.objective),
        ];
        if let Some(filter) = &mut self.stage.filter {
            parts.push(("filter", filter));
        }
        if let Some(controller) = &mut self.controller {
            parts.push(("controller", controller));
        }
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
        };
        if let Some(controller) = &mut self.controller {
            controller.control(step, self.last.as_ref(), &mut settings)?;
        }
        let mut rollouts = self.stage.collect(&settings, self.policy.version())?;
        // From here on the engine must not hold the weights that are updated in place.
        self.stage.engine.release();
        if rollouts.groups.is_empty() && rollouts.exhausted {
            return if step == 0 {
                Err(TrainError::NoData { what: "prompts" }.into())
            } else {
                Ok(None)
            };
        }
        let (groups, scores) = (&rollouts.groups, &rollouts.scores);
        emit(&Event::Rollouts { step: step + 1, groups, scores })?;
        let mask = self.masks(&rollouts);
        let scores: Vec<Score> = scores.concat();
        let needs = self.advantage.needs().union(self.objective.needs());
        let empty = Columns::default();
        let view = StepView {
            step,
            groups,
            scores: &scores,
            mask: &mask,
            columns: &empty,
            advantages: None,
        };
        view.validate()?;
        let columns = self.columns(&view, needs)?;
        let view = StepView { columns: &columns, ..view };
        let advantages = self.advantage.advantages(&view)?;
        let view = StepView { advantages: Some(&advantages), ..view };
        let mut metrics = std::mem::take(&mut rollouts.metrics);
        if groups.is_empty() {
            metrics.add(Metric::sum("skipped_updates", 1.0));
        } else {
            let context = self.objective.prepare(&view)?;
            let rate =
                self.config.learning_rate * self.config.schedule.rate(step, self.config.steps);
            metrics.extend(self.update(&view, &context, rate)?);
            metrics.add(Metric::mean("learning_rate", rate, 1.0));
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
