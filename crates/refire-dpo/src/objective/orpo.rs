use super::cpo::nll_metric;
use super::pairs::Pairs;
use super::rows::Rows;
use super::step::PreferenceStep;
use super::{metrics, nll};
use crate::loss::log_odds;
use crate::stable::{log_sigmoid, pick};
use crate::{DpoError, error::unless};
use burn::tensor::Tensor;
use refire_core::{BoxError, Metric, Stateful, StepView};
use refire_objective::{Counts, Loss, Objective, Scope, StepContext, Targets, TokenStats};
use serde::{Deserialize, Serialize};

const NAME: &str = "orpo";

/// Settings of [`Orpo`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrpoConfig {
    /// Weight of the odds ratio beside the NLL, above 0; the paper's lambda.
    pub beta: f64,
}

impl Default for OrpoConfig {
    /// 0.1, as in the paper and TRL.
    fn default() -> Self {
        Self { beta: 0.1 }
    }
}

impl OrpoConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DpoError> {
        let fine = self.beta.is_finite() && self.beta > 0.0;
        unless(fine, "beta", self.beta, "a positive number").into_iter().collect()
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Orpo, DpoError> {
        DpoError::collect(self.validate())?;
        Ok(Orpo { config: *self })
    }
}

/// ORPO: the chosen rows' NLL per token of the step, and the odds ratio of each pair.
///
/// Metrics as those of [`Dpo`](crate::Dpo), rewards being `beta` times mean log-probabilities; and
/// `nll_loss`, `log_odds_ratio`, `log_odds_chosen` as in TRL.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::{OrpoConfig, PreferenceStep, StepRow};
/// use refire_objective::{Counts, Objective, Targets, TokenStats};
///
/// let device = Device::flex();
/// let mut targets = Targets::new(Tensor::ones([2, 1], &device));
/// targets.groups = vec![0, 0];
/// targets.labels = Some(vec![1.0, 0.0]);
/// let row = |label| StepRow { label: Some(label), tokens: 1, ..StepRow::default() };
/// let step = PreferenceStep { rows: vec![row(1.0), row(0.0)] };
/// let stats = TokenStats::from_logprobs(Tensor::from_data([[-1.0], [-1.0]], &device));
/// let counts = Counts::of([[true], [true]], 1);
/// let orpo = OrpoConfig { beta: 1.0 }.build()?;
/// let loss = orpo.loss(&stats, &targets, &orpo.context(&step), &counts)?;
/// assert!((loss.total.into_scalar::<f32>() - 1.0 - std::f32::consts::LN_2).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Orpo {
    config: OrpoConfig,
}

impl Orpo {
    /// The settings.
    pub fn config(&self) -> &OrpoConfig {
        &self.config
    }

    /// What [`prepare`](Objective::prepare) makes of a step.
    pub fn context(&self, step: &PreferenceStep) -> StepContext {
        nll::context(step)
    }
}

impl Stateful for Orpo {}

impl Objective for Orpo {
    fn name(&self) -> &'static str {
        NAME
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
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        if let Some(nothing) = Rows::nothing(stats, targets) {
            return Ok(nothing);
        }
        let rows = Rows::gather(NAME, stats, targets)?;
        let pairs = Pairs::of(&rows)?;
        let means = rows.mean_logps();
        let odds = log_odds(pick(&means, &pairs.chosen), pick(&means, &pairs.rejected));
        let ratio = log_sigmoid(odds.clone());
        let nll = nll::chosen(NAME, &rows.logps(), &pairs, context)?;

        let rewards = means.clone() * self.config.beta;
        let mut metrics = metrics::of_pairs(&rows, &pairs, &rewards, &means)?;
        metrics.push(nll_metric(&nll));
        metrics.extend(odds_metrics(&odds, &ratio));

        let step_pairs = (counts.rows / 2.0).max(1.0);
        let per_pair = nll + ratio * (-self.config.beta * step_pairs.recip());
        Ok(Loss { total: rows.weighted(per_pair, &pairs.chosen)?.sum(), metrics })
    }
}

fn odds_metrics(odds: &Tensor<1>, ratio: &Tensor<1>) -> Vec<Metric> {
    let pairs = odds.dims()[0] as f64;
    let sums = [ratio, odds].map(|x| x.clone().detach().sum());
    let sums = Tensor::cat(sums.to_vec(), 0).into_data();
    let names = ["log_odds_ratio", "log_odds_chosen"];
    names
        .iter()
        .zip(sums.iter::<f64>())
        .map(|(name, sum)| Metric::mean(*name, sum, pairs))
        .collect()
}
