use super::groups::grouped;
use super::metrics;
use super::ranking::{StepGroups, finite};
use super::rows::Rows;
use super::step::PreferenceStep;
use crate::loss::copg;
use crate::stable::pick;
use crate::{DpoError, error::unless};
use refire_core::{BoxError, Needs, Stateful, StepView};
use refire_objective::{Counts, Loss, Objective, Scope, StepContext, Targets, TokenStats};
use serde::{Deserialize, Serialize};

const NAME: &str = "copg";

/// Settings of [`Copg`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CopgConfig {
    /// Strength of the tie to the reference, above 0.
    pub beta: f64,
}

impl Default for CopgConfig {
    /// 0.1; the paper tunes it.
    fn default() -> Self {
        Self { beta: 0.1 }
    }
}

impl CopgConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DpoError> {
        let fine = self.beta.is_finite() && self.beta > 0.0;
        unless(fine, "beta", self.beta, "a positive number").into_iter().collect()
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Copg, DpoError> {
        DpoError::collect(self.validate())?;
        Ok(Copg { config: *self })
    }
}

/// CoPG on groups of completions with rewards for labels: the mean over all pairs of a group, and
/// over the step's groups. Groups of one completion add nothing. Row weights aren't read.
///
/// Metric: `entropy`, where it was computed.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::{CopgConfig, PreferenceStep, StepRow};
/// use refire_objective::{Counts, Objective, Targets, TokenStats};
///
/// let device = Device::flex();
/// let zeros = || Tensor::<2>::zeros([2, 1], &device);
/// let mut targets = Targets::new(zeros() + 1.0);
/// targets.groups = vec![0, 0];
/// targets.labels = Some(vec![1.0, 0.0]);
/// targets.ref_logprobs = Some(zeros());
/// let row = StepRow { label: Some(1.0), ..StepRow::default() };
/// let copg = CopgConfig { beta: 0.5 }.build()?;
/// let context = copg.context(&PreferenceStep { rows: vec![row, row] });
/// let stats = TokenStats::from_logprobs(zeros());
/// let loss = copg.loss(&stats, &targets, &context, &Counts::of([[true], [true]], 1))?;
/// assert_eq!(loss.total.into_scalar::<f32>(), 1.0);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Copg {
    config: CopgConfig,
}

impl Copg {
    /// The settings.
    pub fn config(&self) -> &CopgConfig {
        &self.config
    }

    /// What [`prepare`](Objective::prepare) makes of a step.
    pub fn context(&self, step: &PreferenceStep) -> StepContext {
        StepContext::new(StepGroups(step.groups() as f64))
    }
}

impl Stateful for Copg {}

impl Objective for Copg {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs {
        Needs { ref_logprobs: true, ..Needs::NONE }
    }

    fn scope(&self) -> Scope {
        Scope::Group
    }

    fn prepare(&mut self, step: &StepView<'_>) -> Result<StepContext, BoxError> {
        Ok(self.context(&PreferenceStep::of(step)?))
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
        let rewards = rows.labels()?;
        finite(rewards)?;
        let log_ratios = rows.logps() - rows.ref_logps()?;
        let (mut a, mut b, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        for (_, places) in grouped(rows.groups()?) {
            let pairs = (places.len() * (places.len() - 1) / 2) as f64;
            for (at, first) in places.iter().enumerate() {
                for second in &places[at + 1..] {
                    a.push(*first);
                    b.push(*second);
                    shares.push(pairs.recip());
                }
            }
        }
        let groups = StepGroups::find(context, NAME)?;
        let total = if a.is_empty() {
            log_ratios.sum() * 0.0
        } else {
            let reward = |places: &[usize]| {
                rows.constant(places.iter().map(|row| rewards[*row]).collect::<Vec<f64>>())
            };
            let side = |places: &[usize]| pick(&log_ratios, places);
            let loss = copg(side(&a), side(&b), reward(&a), reward(&b), self.config.beta);
            (loss * rows.constant(shares)).sum() * groups.recip()
        };
        let named = metrics::tokens(&rows)?.into_iter().collect();
        Ok(Loss { total, metrics: metrics::means(named, &rows.lengths) })
    }
}
