use super::kto::LabelledStep;
use super::pairs::binary;
use super::rows::Rows;
use super::step::PreferenceStep;
use crate::loss::bco;
use crate::{DpoError, error::unless};
use refire_core::{BoxError, Metric, Needs, Stateful, StepView, decode_state, encode_state};
use refire_objective::{Counts, Loss, Objective, Scope, StepContext, Targets, TokenStats};
use serde::{Deserialize, Serialize};

const NAME: &str = "bco";

/// Settings of [`Bco`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BcoConfig {
    /// Strength of the tie to the reference, above 0.
    pub beta: f64,
}

impl Default for BcoConfig {
    /// TRL's `BCOConfig`: 0.1.
    fn default() -> Self {
        Self { beta: 0.1 }
    }
}

impl BcoConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DpoError> {
        let fine = self.beta.is_finite() && self.beta > 0.0;
        unless(fine, "beta", self.beta, "a positive number").into_iter().collect()
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Bco, DpoError> {
        DpoError::collect(self.validate())?;
        Ok(Bco { config: *self, rewards: RunningMean::default() })
    }
}

/// BCO: single rows with labels, shifted by the mean reward of all rows seen so far.
///
/// The mean takes in a step before its update, from log-probabilities at its start; TRL takes in one
/// micro-batch after the other. It is saved and restored. A weight by density ratio (UDM) is a row
/// weight.
///
/// Metrics as those of [`Kto`](crate::Kto), with `delta` for `kl`.
///
/// ```
/// use refire_core::Stateful;
/// use refire_dpo::{BcoConfig, PreferenceStep, StepRow};
/// let row = |logps| StepRow {
///     label: Some(1.0),
///     logps: Some(logps),
///     ref_logps: Some(0.0),
///     ..StepRow::default()
/// };
/// let mut bco = BcoConfig { beta: 1.0 }.build()?;
/// bco.context(&PreferenceStep { rows: vec![row(1.0), row(3.0)] })?;
/// let mut resumed = BcoConfig { beta: 1.0 }.build()?;
/// resumed.restore(&bco.state()?)?;
/// assert_eq!(resumed.delta(), 2.0);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Bco {
    config: BcoConfig,
    rewards: RunningMean,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct RunningMean {
    mean: f64,
    count: u64,
}

impl RunningMean {
    fn take(&mut self, value: f64) {
        self.count += 1;
        self.mean += (value - self.mean) / self.count as f64;
    }
}

impl Bco {
    /// The settings.
    pub fn config(&self) -> &BcoConfig {
        &self.config
    }

    /// The mean reward so far.
    pub fn delta(&self) -> f64 {
        self.rewards.mean
    }

    /// Takes in a step's rewards: what [`prepare`](Objective::prepare) does, from host rows in double
    /// precision.
    ///
    /// # Errors
    /// When rows lack log-probabilities.
    pub fn context(&mut self, step: &PreferenceStep) -> Result<StepContext, DpoError> {
        let (logps, ref_logps) = step.logps(NAME, &step.places(true))?;
        for (policy, reference) in logps.iter().zip(&ref_logps) {
            self.rewards.take(self.config.beta * (policy - reference));
        }
        Ok(StepContext::new(LabelledStep::of(step, self.rewards.mean)))
    }
}

impl Stateful for Bco {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&self.rewards)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.rewards = decode_state("Bco", state)?;
        Ok(())
    }
}

impl Objective for Bco {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs {
        Needs { ref_logprobs: true, old_logprobs: true, ..Needs::NONE }
    }

    fn scope(&self) -> Scope {
        Scope::Row
    }

    fn prepare(&mut self, step: &StepView<'_>) -> Result<StepContext, BoxError> {
        Ok(self.context(&PreferenceStep::of(step)?)?)
    }

    fn loss(
        &self,
        stats: &TokenStats,
        targets: &Targets,
        context: &StepContext,
        _counts: &Counts,
    ) -> Result<Loss, BoxError> {
        if let Some(nothing) = Rows::nothing(stats, targets) {
            return Ok(nothing);
        }
        let rows = Rows::gather(NAME, stats, targets)?;
        let step = LabelledStep::find(context, NAME)?;
        let labels = rows.labels()?;
        binary(labels)?;
        let (beta, logps) = (self.config.beta, rows.logps());
        let log_ratios = logps.clone() - rows.ref_logps()?;
        let labels = rows.constant(labels.to_vec());
        let mut per_row = bco(log_ratios.clone(), labels, step.point, beta);
        if let Some(weights) = rows.weights()? {
            per_row = per_row * weights.cast(stats.logprobs.dtype());
        }
        let mut metrics = step.metrics(&rows, &(log_ratios * beta), &logps)?;
        metrics.push(Metric::mean("delta", step.point, 1.0));
        Ok(Loss { total: per_row.sum() * step.rows().recip(), metrics })
    }
}
