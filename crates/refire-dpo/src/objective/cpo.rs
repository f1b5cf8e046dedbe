use super::pairs::Pairs;
use super::rows::Rows;
use super::step::PreferenceStep;
use super::{metrics, nll};
use crate::loss::{alphapo_rewards, cdpo, hinge, ipo, simpo};
use crate::stable::pick;
use crate::{DpoError, error::unless};
use burn::tensor::Tensor;
use refire_core::{BoxError, Metric, Stateful, StepView};
use refire_objective::{Counts, Loss, Objective, Scope, StepContext, Targets, TokenStats};
use serde::{Deserialize, Serialize};

const NAME: &str = "cpo";

/// What CPO does with the difference of rewards.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CpoLoss {
    /// Logistic, on sums of log-probabilities: CPO.
    #[default]
    Sigmoid,
    /// Hinge, on sums.
    Hinge,
    /// Squared, on means per token.
    Ipo,
    /// Logistic with a margin, on means per token.
    Simpo {
        /// The margin, 0 or above; the paper's runs have 0.5 to 1.6.
        gamma: f64,
    },
}

/// Settings of [`Cpo`].
///
/// ```
/// use refire_dpo::{CpoConfig, CpoLoss};
/// let simpo = CpoConfig::simpo(2.0, 1.0);
/// assert_eq!((simpo.loss, simpo.nll_weight), (CpoLoss::Simpo { gamma: 1.0 }, 0.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CpoConfig {
    /// Scale of the rewards, above 0.
    pub beta: f64,
    /// The loss.
    pub loss: CpoLoss,
    /// Probability of a wrong label, from 0 to below 1/2; read by `sigmoid` and `simpo`.
    pub label_smoothing: f64,
    /// AlphaPO's shape of the reward ([`alphapo_rewards`]); 0 is the log-probability.
    pub alpha: f64,
    /// Weight of the chosen rows' NLL per token of the step, 0 or above; TRL's `cpo_alpha`.
    pub nll_weight: f64,
}

impl Default for CpoConfig {
    /// TRL's `CPOConfig`: the sigmoid loss with beta 0.1 and the NLL with weight 1.
    fn default() -> Self {
        let (loss, label_smoothing) = (CpoLoss::Sigmoid, 0.0);
        Self { beta: 0.1, loss, label_smoothing, alpha: 0.0, nll_weight: 1.0 }
    }
}

impl CpoConfig {
    /// SimPO as published: no NLL.
    pub fn simpo(beta: f64, gamma: f64) -> Self {
        Self { beta, loss: CpoLoss::Simpo { gamma }, nll_weight: 0.0, ..Self::default() }
    }

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DpoError> {
        let weight = |x: f64| x.is_finite() && x >= 0.0;
        let gamma = if let CpoLoss::Simpo { gamma } = self.loss { gamma } else { 0.0 };
        let smooth = matches!(self.loss, CpoLoss::Sigmoid | CpoLoss::Simpo { .. });
        let smoothing = self.label_smoothing;
        let (beta, alpha) = (self.beta, self.alpha);
        [
            unless(beta.is_finite() && beta > 0.0, "beta", beta, "a positive number"),
            unless(weight(gamma), "gamma", gamma, "0 or a positive number"),
            unless(
                (0.0..0.5).contains(&smoothing),
                "label_smoothing",
                smoothing,
                "from 0 to below 0.5",
            ),
            unless(
                smooth || smoothing == 0.0,
                "label_smoothing",
                smoothing,
                "0 for `hinge` and `ipo`, which don't read it",
            ),
            unless(alpha.is_finite(), "alpha", alpha, "a finite number"),
            unless(
                weight(self.nll_weight),
                "nll_weight",
                self.nll_weight,
                "0 or a positive number",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Cpo, DpoError> {
        DpoError::collect(self.validate())?;
        Ok(Cpo { config: *self })
    }

    fn averages(&self) -> bool {
        matches!(self.loss, CpoLoss::Ipo | CpoLoss::Simpo { .. })
    }

    fn per_pair(&self, chosen: Tensor<1>, rejected: Tensor<1>) -> Tensor<1> {
        let (beta, smoothing) = (self.beta, self.label_smoothing);
        match self.loss {
            CpoLoss::Sigmoid => cdpo(chosen, rejected, beta, smoothing),
            CpoLoss::Hinge => hinge(chosen, rejected, beta),
            CpoLoss::Ipo => ipo(chosen, rejected, beta),
            CpoLoss::Simpo { gamma } => simpo(chosen, rejected, beta, gamma, smoothing),
        }
    }
}

/// Pairs without a reference: CPO, SimPO, AlphaPO, reference-free hinge and IPO.
///
/// Metrics as those of [`Dpo`](crate::Dpo), rewards being `beta` times (mean) log-probabilities or
/// AlphaPO's rewards; and `nll_loss`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::CpoConfig;
/// use refire_objective::{Counts, Objective, StepContext, Targets, TokenStats};
///
/// let device = Device::flex();
/// let mut targets = Targets::new(Tensor::ones([2, 1], &device));
/// targets.groups = vec![0, 0];
/// targets.labels = Some(vec![1.0, 0.0]);
/// let stats = TokenStats::from_logprobs(Tensor::from_data([[-1.0], [-2.0]], &device));
/// let counts = Counts::of([[true], [true]], 1);
/// let simpo = CpoConfig::simpo(2.0, 2.0).build()?;
/// let loss = simpo.loss(&stats, &targets, &StepContext::empty(), &counts)?;
/// assert!((loss.total.into_scalar::<f32>() - std::f32::consts::LN_2).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cpo {
    config: CpoConfig,
}

impl Cpo {
    /// The settings.
    pub fn config(&self) -> &CpoConfig {
        &self.config
    }

    /// What [`prepare`](Objective::prepare) makes of a step; needed where there is an NLL.
    pub fn context(&self, step: &PreferenceStep) -> StepContext {
        nll::context(step)
    }
}

impl Stateful for Cpo {}

impl Objective for Cpo {
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
        let sums = rows.logps();
        let logps = if self.config.averages() { rows.mean_logps() } else { sums.clone() };
        let rewards = alphapo_rewards(logps.clone(), self.config.alpha);
        let (chosen, rejected) = (pick(&rewards, &pairs.chosen), pick(&rewards, &pairs.rejected));
        let step_pairs = (counts.rows / 2.0).max(1.0);
        let mut per_pair = self.config.per_pair(chosen, rejected) * step_pairs.recip();
        let rewards = rewards * self.config.beta;
        let mut metrics = metrics::of_pairs(&rows, &pairs, &rewards, &logps)?;
        if self.config.nll_weight != 0.0 {
            let nll = nll::chosen(NAME, &sums, &pairs, context)?;
            metrics.push(nll_metric(&nll));
            per_pair = per_pair + nll * self.config.nll_weight;
        }
        Ok(Loss { total: rows.weighted(per_pair, &pairs.chosen)?.sum(), metrics })
    }
}

/// Shares of a mean over the step add up to it.
pub(super) fn nll_metric(shares: &Tensor<1>) -> Metric {
    let sum = shares.clone().detach().sum().into_data().iter::<f64>().sum();
    Metric::sum("nll_loss", sum)
}
