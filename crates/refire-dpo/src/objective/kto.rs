use super::metrics;
use super::pairs::binary;
use super::rows::Rows;
use super::step::PreferenceStep;
use crate::loss::{KtoWeights, kto, kto_kl};
use crate::{DpoError, error::unless};
use burn::tensor::Tensor;
use refire_core::{BoxError, Metric, Needs, Stateful, StepView};
use refire_objective::{
    Counts, Loss, Objective, ObjectiveError, Scope, StepContext, Targets, TokenStats,
};
use serde::{Deserialize, Serialize};

const NAME: &str = "kto";

/// Settings of [`Kto`].
///
/// ```
/// use refire_dpo::KtoConfig;
/// let config: KtoConfig = serde_json::from_str(r#"{"weights": {"undesirable": 1.33}}"#)?;
/// assert!(config.validate().is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KtoConfig {
    /// Risk aversion and tie to the reference, above 0.
    pub beta: f64,
    /// What each kind of row counts.
    pub weights: KtoWeights,
    /// A reference point of 0 instead of the estimated KL: TRL's `apo_zero_unpaired`.
    pub unpaired_apo: bool,
}

impl Default for KtoConfig {
    /// TRL's `KTOConfig`: beta 0.1, weights 1.
    fn default() -> Self {
        Self { beta: 0.1, weights: KtoWeights::default(), unpaired_apo: false }
    }
}

impl KtoConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DpoError> {
        let weight = |x: f64| x.is_finite() && x >= 0.0;
        let KtoWeights { desirable, undesirable } = self.weights;
        let expected = "0 or a positive number";
        let fine = self.beta.is_finite() && self.beta > 0.0;
        [
            unless(fine, "beta", self.beta, "a positive number"),
            unless(weight(desirable), "weights.desirable", desirable, expected),
            unless(weight(undesirable), "weights.undesirable", undesirable, expected),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Kto, DpoError> {
        DpoError::collect(self.validate())?;
        Ok(Kto { config: *self })
    }
}

/// KTO: single rows with labels, against a reference point estimated over the whole step.
///
/// The estimate is the mean log-ratio of the step's probe rows ([`PreferenceStep`]) at its start,
/// not below 0, as a constant; TRL estimates it per micro-batch. The mean of the loss is over the
/// labelled rows of the step.
///
/// Metrics, by their names in TRL: `rewards/chosen`, `logps/chosen` (means over desirable rows),
/// `rewards/rejected`, `logps/rejected`, `rewards/margins` (the difference of both means), `kl`,
/// `entropy`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::{KtoConfig, PreferenceStep, StepRow};
/// use refire_objective::{Counts, Objective, Targets, TokenStats};
///
/// let device = Device::flex();
/// let column = |x: f32| Tensor::<2>::from_data([[x]], &device);
/// let mut targets = Targets::new(column(1.0));
/// targets.labels = Some(vec![1.0]);
/// targets.ref_logprobs = Some(column(-3.0));
/// let probe = StepRow { logps: Some(-4.0), ref_logps: Some(-6.0), ..StepRow::default() };
/// let step = PreferenceStep { rows: vec![StepRow { label: Some(1.0), ..probe }, probe] };
/// let kto = KtoConfig::default().build()?;
/// let stats = TokenStats::from_logprobs(column(-1.0));
/// let loss = kto.loss(&stats, &targets, &kto.context(&step)?, &Counts::of([[true]], 1))?;
/// assert_eq!(loss.total.into_scalar::<f32>(), 0.5);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kto {
    config: KtoConfig,
}

/// What single rows are compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct LabelledStep {
    /// KTO's KL, BCO's shift.
    pub(super) point: f64,
    pub(super) desirable: f64,
    pub(super) undesirable: f64,
}

impl LabelledStep {
    pub(super) fn of(step: &PreferenceStep, point: f64) -> Self {
        let count = |label| step.with_label(label) as f64;
        Self { point, desirable: count(1.0), undesirable: count(0.0) }
    }

    pub(super) fn find(context: &StepContext, objective: &'static str) -> Result<Self, DpoError> {
        let missing = ObjectiveError::Context { objective };
        context.get().copied().ok_or(DpoError::Objective(missing))
    }

    pub(super) fn rows(&self) -> f64 {
        (self.desirable + self.undesirable).max(1.0)
    }

    /// The metrics of single rows, from rewards and log-probabilities `[rows]`.
    pub(super) fn metrics(
        &self,
        rows: &Rows<'_>,
        rewards: &Tensor<1>,
        logps: &Tensor<1>,
    ) -> Result<Vec<Metric>, DpoError> {
        let labels = rows.labels()?;
        let of = |kind: f64| -> Vec<f64> {
            labels.iter().map(|label| f64::from(u8::from(*label == kind))).collect()
        };
        let (chosen, rejected) = (of(1.0), of(0.0));
        let counts = [chosen.iter().sum::<f64>(), rejected.iter().sum::<f64>()];
        let (chosen, rejected) = (rows.constant(chosen), rows.constant(rejected));
        let sum = |x: &Tensor<1>, of: &Tensor<1>| (x.clone().detach() * of.clone()).sum();
        let mut named = vec![
            ("rewards/chosen", sum(rewards, &chosen), Some(counts[0])),
            ("rewards/rejected", sum(rewards, &rejected), Some(counts[1])),
            ("logps/chosen", sum(logps, &chosen), Some(counts[0])),
            ("logps/rejected", sum(logps, &rejected), Some(counts[1])),
        ];
        named.extend(metrics::tokens(rows)?);
        let mut metrics = metrics::means(named, &rows.lengths);
        if self.desirable > 0.0 && self.undesirable > 0.0 {
            // A difference of means is no mean; as shares of the step's it adds up.
            let share = metrics[0].sum / self.desirable - metrics[1].sum / self.undesirable;
            metrics.push(Metric::sum("rewards/margins", share));
        }
        Ok(metrics)
    }
}

impl Kto {
    /// The settings.
    pub fn config(&self) -> &KtoConfig {
        &self.config
    }

    /// What [`prepare`](Objective::prepare) makes of a step, from host rows in double precision.
    ///
    /// # Errors
    /// When there are no probe rows, or they lack log-probabilities.
    pub fn context(&self, step: &PreferenceStep) -> Result<StepContext, DpoError> {
        let mut kl = 0.0;
        if !self.config.unpaired_apo {
            let (logps, ref_logps) = step.logps(NAME, &step.places(false))?;
            if logps.is_empty() {
                return Err(DpoError::NoProbes);
            }
            kl = kto_kl(&logps, &ref_logps);
        }
        Ok(StepContext::new(LabelledStep::of(step, kl)))
    }
}

impl Stateful for Kto {}

impl Objective for Kto {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs {
        let estimates = !self.config.unpaired_apo;
        Needs { ref_logprobs: true, old_logprobs: estimates, mismatched: estimates, ..Needs::NONE }
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
        let logps = rows.logps();
        let log_ratios = logps.clone() - rows.ref_logps()?;
        let KtoConfig { beta, weights, .. } = self.config;
        let labels = rows.constant(labels.to_vec());
        let mut per_row = kto(log_ratios.clone(), labels, step.point, beta, weights);
        if let Some(weights) = rows.weights()? {
            per_row = per_row * weights.cast(stats.logprobs.dtype());
        }
        let mut metrics = step.metrics(&rows, &(log_ratios * beta), &logps)?;
        metrics.push(Metric::mean("kl", step.point, 1.0));
        Ok(Loss { total: per_row.sum() * step.rows().recip(), metrics })
    }
}
