use crate::{Schedule, TrainError};
use refire_core::SamplingParams;
use serde::{Deserialize, Serialize};

/// How a step is split into micro-batches. The gradient doesn't depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MicroBatch {
    /// Most rows.
    pub rows: usize,
    /// Most tokens, pads included; a longer single row still goes alone.
    pub tokens: usize,
}

impl Default for MicroBatch {
    /// 64 rows, 8,192 tokens.
    fn default() -> Self {
        Self { rows: 64, tokens: 8_192 }
    }
}

/// Supervised fine-tuning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SftConfig {
    /// Updates.
    pub steps: u64,
    /// Rows per update.
    pub rows_per_step: usize,
    /// How an update is split.
    pub micro_batch: MicroBatch,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Its course.
    pub schedule: Schedule,
    /// Noise on the embeddings of this strength while training (NEFTune, arXiv 2310.05914; 5 is
    /// usual).
    pub neftune_alpha: Option<f64>,
    /// Seed of that noise.
    pub seed: u64,
    /// Also measure the entropy.
    pub log_entropy: bool,
    /// Steps between evaluations; 0 means never.
    pub evaluate_every: u64,
}

impl Default for SftConfig {
    /// TRL's learning rate and batch of `SFTConfig`.
    fn default() -> Self {
        Self {
            steps: 1_000,
            rows_per_step: 8,
            micro_batch: MicroBatch::default(),
            learning_rate: 2e-5,
            schedule: Schedule::default(),
            neftune_alpha: None,
            seed: 0,
            log_entropy: false,
            evaluate_every: 0,
        }
    }
}

/// Preference optimisation, and training of reward models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PreferenceConfig {
    /// Updates.
    pub steps: u64,
    /// Preferences per update: pairs, for most methods.
    pub preferences_per_step: usize,
    /// How an update is split.
    pub micro_batch: MicroBatch,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Its course.
    pub schedule: Schedule,
    /// Also measure the entropy.
    pub log_entropy: bool,
}

impl Default for PreferenceConfig {
    /// TRL's learning rate and batch of `DPOConfig`.
    fn default() -> Self {
        Self {
            steps: 1_000,
            preferences_per_step: 8,
            micro_batch: MicroBatch::default(),
            learning_rate: 1e-6,
            schedule: Schedule::default(),
            log_entropy: false,
        }
    }
}

/// Training of a critic beside the policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CriticConfig {
    /// Peak learning rate; it follows the policy's schedule.
    pub learning_rate: f64,
    /// Steps at the start in which the critic alone is trained.
    pub warmup_steps: u64,
}

impl Default for CriticConfig {
    /// verl's: 1e-5, no warm-up.
    fn default() -> Self {
        Self { learning_rate: 1e-5, warmup_steps: 0 }
    }
}

/// What to do once the rounds of dynamic sampling are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExhausted {
    /// Train on the groups that were kept; on none, skip the update.
    TrainOnKept,
    /// End the run with an error.
    Fail,
}

/// How groups that a filter drops are replaced (DAPO's dynamic sampling).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Refill {
    /// Rounds of generation per step, the first included.
    pub max_rounds: usize,
    /// What to do after them.
    pub on_exhausted: OnExhausted,
}

impl Default for Refill {
    /// DAPO's recipe: ten rounds.
    fn default() -> Self {
        Self { max_rounds: 10, on_exhausted: OnExhausted::TrainOnKept }
    }
}

/// What to do with rows whose verifier is not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnUnavailable {
    /// How often to ask again, where the verifier says that it may help.
    pub retries: usize,
    /// Then: leave the rows out (advantage 0), or end the run.
    pub then_abort: bool,
}

impl Default for OnUnavailable {
    /// Two retries, then the rows are left out.
    fn default() -> Self {
        Self { retries: 2, then_abort: false }
    }
}

/// Reinforcement learning with verifiable rewards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RlConfig {
    /// Steps; each generates once.
    pub steps: u64,
    /// Prompts per step.
    pub prompts_per_step: usize,
    /// Completions per prompt.
    pub group_size: usize,
    /// How they are drawn.
    pub sampling: SamplingParams,
    /// Passes over a step's completions.
    pub epochs: usize,
    /// Updates per pass.
    pub minibatches: usize,
    /// How an update is split.
    pub micro_batch: MicroBatch,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Its course, in steps.
    pub schedule: Schedule,
    /// Training of the critic, where there is one.
    pub critic: CriticConfig,
    /// Completions cut off by the token limit don't enter the loss (overlong filtering); they stay
    /// in the group statistics, as in TRL.
    pub mask_truncated: bool,
    /// How dropped groups are replaced.
    pub refill: Refill,
    /// What to do with rows without verifier.
    pub on_unavailable: OnUnavailable,
    /// Also measure the entropy.
    pub log_entropy: bool,
    /// Steps between evaluations; 0 means never.
    pub evaluate_every: u64,
}

impl Default for RlConfig {
    /// TRL's learning rate and group size of `GRPOConfig`.
    fn default() -> Self {
        Self {
            steps: 500,
            prompts_per_step: 8,
            group_size: 8,
            sampling: SamplingParams::default(),
            epochs: 1,
            minibatches: 1,
            micro_batch: MicroBatch::default(),
            learning_rate: 1e-6,
            schedule: Schedule::default(),
            critic: CriticConfig::default(),
            mask_truncated: false,
            refill: Refill::default(),
            on_unavailable: OnUnavailable::default(),
            log_entropy: true,
            evaluate_every: 0,
        }
    }
}

struct Problems(Vec<String>);

impl Problems {
    fn new(schedule: &Schedule) -> Self {
        Self(schedule.validate().iter().map(ToString::to_string).collect())
    }

    fn positive(&mut self, field: &'static str, value: usize) {
        if value == 0 {
            self.0.push(format!("`{field}` is 0, expected at least 1"));
        }
    }

    fn rate(&mut self, field: &'static str, value: f64) {
        if !(value.is_finite() && value >= 0.0) {
            self.0.push(format!("`{field}` is {value}, expected a number from 0"));
        }
    }

    fn micro_batch(&mut self, micro_batch: MicroBatch) {
        self.positive("micro_batch.rows", micro_batch.rows);
        self.positive("micro_batch.tokens", micro_batch.tokens);
    }

    fn finish(self) -> Result<(), TrainError> {
        if self.0.is_empty() { Ok(()) } else { Err(TrainError::Config { problems: self.0 }) }
    }
}

impl SftConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    /// Lists every problem.
    pub fn validate(&self) -> Result<(), TrainError> {
        let mut problems = Problems::new(&self.schedule);
        problems.positive("rows_per_step", self.rows_per_step);
        problems.micro_batch(self.micro_batch);
        problems.rate("learning_rate", self.learning_rate);
        problems.rate("neftune_alpha", self.neftune_alpha.unwrap_or_default());
        problems.finish()
    }
}

impl PreferenceConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    /// Lists every problem.
    pub fn validate(&self) -> Result<(), TrainError> {
        let mut problems = Problems::new(&self.schedule);
        problems.positive("preferences_per_step", self.preferences_per_step);
        problems.micro_batch(self.micro_batch);
        problems.rate("learning_rate", self.learning_rate);
        problems.finish()
    }
}

impl RlConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    /// Lists every problem.
    pub fn validate(&self) -> Result<(), TrainError> {
        let mut problems = Problems::new(&self.schedule);
        problems.0.extend(self.sampling.validate().iter().map(ToString::to_string));
        for (field, value) in [
            ("prompts_per_step", self.prompts_per_step),
            ("group_size", self.group_size),
            ("epochs", self.epochs),
            ("minibatches", self.minibatches),
            ("refill.max_rounds", self.refill.max_rounds),
        ] {
            problems.positive(field, value);
        }
        if self.minibatches > self.prompts_per_step {
            let (found, limit) = (self.minibatches, self.prompts_per_step);
            problems
                .0
                .push(format!("`minibatches` is {found}, expected at most the {limit} prompts"));
        }
        if self.sampling.temperature == 0.0 {
            problems
                .0
                .push("`temperature` is 0: greedy completions of a group are all equal".into());
        }
        problems.micro_batch(self.micro_batch);
        problems.rate("learning_rate", self.learning_rate);
        problems.rate("critic.learning_rate", self.critic.learning_rate);
        problems.finish()
    }
}
