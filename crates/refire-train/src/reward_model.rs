use crate::batcher::step_parts;
use crate::drive::{Emit, Loop, Trained};
use crate::judged::Judged;
use crate::{PreferenceConfig, TrainError, Trainer};
use burn::tensor::Tensor;
use refire_core::{BoxError, Columns, Metric, Metrics, Phase, PreferenceSource, Stateful};
use refire_objective::{Counts, Critic, Scope, Targets, TokenBatch, ValueObjective};

/// Training of a reward model: scores of judged completions, read at their last token.
///
/// The objective gets the scores of a micro-batch as values `[rows, 1]`, with labels, margins and
/// groups in [`Targets`]; completions of one prompt stay together.
pub type RewardTrainer = Trainer<RewardModelling>;

/// The loop of [`RewardTrainer`].
pub struct RewardModelling {
    model: Box<dyn Critic>,
    source: Box<dyn PreferenceSource>,
    objective: Box<dyn ValueObjective>,
    config: PreferenceConfig,
}

impl std::fmt::Debug for RewardModelling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RewardModelling").field("config", &self.config).finish_non_exhaustive()
    }
}

impl RewardTrainer {
    /// A trainer at step 0.
    ///
    /// # Errors
    /// Lists every problem of the configuration.
    pub fn new(
        model: Box<dyn Critic>,
        source: Box<dyn PreferenceSource>,
        objective: Box<dyn ValueObjective>,
        config: PreferenceConfig,
    ) -> Result<Self, TrainError> {
        config.validate()?;
        Ok(Self::of(RewardModelling { model, source, objective, config }))
    }

    /// The model.
    pub fn model(&self) -> &dyn Critic {
        self.work.model.as_ref()
    }

    /// Gives the model back.
    pub fn into_model(self) -> Box<dyn Critic> {
        self.work.model
    }
}

impl Loop for RewardModelling {
    fn phase(&self) -> Phase {
        Phase::Reward
    }

    fn total(&self) -> u64 {
        self.config.steps
    }

    fn evaluate_every(&self) -> u64 {
        0
    }

    fn config(&self) -> Result<serde_json::Value, BoxError> {
        Ok(serde_json::to_value(&self.config)?)
    }

    fn models(&mut self) -> Vec<(&'static str, Trained<'_>)> {
        vec![("model", Trained::Critic(self.model.as_mut()))]
    }

    fn parts(&mut self) -> Vec<(&str, &mut dyn Stateful)> {
        vec![("source", &mut self.source), ("objective", &mut self.objective)]
    }

    fn step(&mut self, step: u64, _emit: &mut Emit<'_>) -> Result<Option<Metrics>, BoxError> {
        let preferences = self.source.next(self.config.preferences_per_step)?;
        if preferences.is_empty() {
            return TrainError::exhausted("preferences", step);
        }
        let judged = Judged::new(step, preferences)?;
        let columns = Columns::default();
        let view = judged.view(&columns);
        let groups = judged.labelled_groups();
        // Scores of one prompt are compared with each other, whatever the objective.
        let scope = self.objective.scope().max(Scope::Group);
        let parts = step_parts(&view, &groups, scope, self.config.micro_batch)?;
        let counts = Counts::of(vec![[true]; view.rows()], parts.len());
        let (rows, device) = (judged.whole_rows(), self.model.device());
        let group_of: Vec<usize> = view.iter().map(|(group, _, _)| group).collect();
        let mut metrics = Metrics::default();
        for part in parts {
            let batch = TokenBatch::ends(part.iter().map(|row| rows[*row].as_slice()));
            let mut targets = Targets::new(Tensor::ones([part.len(), 1], &device));
            targets.groups = part.iter().map(|row| group_of[*row]).collect();
            judged.complete(&part, &mut targets);
            targets.row_ids = part;
            let loss = &mut |scores| self.objective.loss(&scores, &targets, &counts);
            let report = self.model.accumulate(&batch, loss)?;
            metrics.add(Metric::sum("loss", report.total));
            metrics.extend(report.metrics);
        }
        let rate = self.config.learning_rate * self.config.schedule.rate(step, self.config.steps);
        let report = self.model.step(rate)?;
        metrics.add(Metric::mean("grad_norm", report.grad_norm, 1.0));
        metrics.add(Metric::mean("learning_rate", rate, 1.0));
        Ok(Some(metrics))
    }
}
