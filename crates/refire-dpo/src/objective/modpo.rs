use super::metrics;
use super::pairs::Pairs;
use super::rows::Rows;
use crate::loss::{ModpoLoss, modpo, modpo_rewards};
use crate::stable::pick;
use crate::{DpoError, error::unless};
use refire_core::{BoxError, Needs, Stateful};
use refire_objective::{Counts, Loss, Objective, Scope, StepContext, Targets, TokenStats};
use serde::{Deserialize, Serialize};

const NAME: &str = "modpo";

/// Settings of [`Modpo`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModpoConfig {
    /// Strength of the tie to the reference, above 0.
    pub beta: f64,
    /// Weight of the trained preference among all, above 0 and at most 1.
    pub weight: f64,
    /// What is done with the difference of rewards.
    pub loss: ModpoLoss,
}

impl Default for ModpoConfig {
    /// ZHZisZZ/modpo: beta 0.1, equal weights of two preferences.
    fn default() -> Self {
        Self { beta: 0.1, weight: 0.5, loss: ModpoLoss::Sigmoid }
    }
}

impl ModpoConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DpoError> {
        let (beta, weight) = (self.beta, self.weight);
        let beta_fine = beta.is_finite() && beta > 0.0;
        let weight_fine = weight > 0.0 && weight <= 1.0;
        [
            unless(beta_fine, "beta", beta, "a positive number"),
            unless(weight_fine, "weight", weight, "above 0 and at most 1"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Modpo, DpoError> {
        DpoError::collect(self.validate())?;
        Ok(Modpo { config: *self })
    }
}

/// MODPO: pairs of one preference, with the other preferences as margins.
///
/// `Targets::margins` of a chosen row is `sum_{k>0} w_k (M_k(chosen) - M_k(rejected))`. Metrics as
/// those of [`Dpo`](crate::Dpo), rewards being `beta r / w_0`, from the chosen one's the margin's
/// share `margin / w_0`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::ModpoConfig;
/// use refire_objective::{Counts, Objective, StepContext, Targets, TokenStats};
///
/// let device = Device::flex();
/// let zeros = || Tensor::<2>::zeros([2, 1], &device);
/// let mut targets = Targets::new(zeros() + 1.0);
/// targets.groups = vec![0, 0];
/// targets.labels = Some(vec![1.0, 0.0]);
/// targets.margins = Some(vec![0.0, 0.0]);
/// targets.ref_logprobs = Some(zeros());
/// let stats = TokenStats::from_logprobs(zeros());
/// let modpo = ModpoConfig::default().build()?;
/// let counts = Counts::of([[true], [true]], 1);
/// let loss = modpo.loss(&stats, &targets, &StepContext::empty(), &counts)?;
/// assert!((loss.total.into_scalar::<f32>() - std::f32::consts::LN_2).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Modpo {
    config: ModpoConfig,
}

impl Modpo {
    /// The settings.
    pub fn config(&self) -> &ModpoConfig {
        &self.config
    }
}

impl Stateful for Modpo {}

impl Objective for Modpo {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs {
        Needs { ref_logprobs: true, ..Needs::NONE }
    }

    fn scope(&self) -> Scope {
        Scope::Group
    }

    fn loss(
        &self,
        stats: &TokenStats,
        targets: &Targets,
        _context: &StepContext,
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        if let Some(nothing) = Rows::nothing(stats, targets) {
            return Ok(nothing);
        }
        let rows = Rows::gather(NAME, stats, targets)?;
        let pairs = Pairs::of(&rows)?;
        let ModpoConfig { beta, weight, loss } = self.config;
        let logps = rows.logps();
        let log_ratios = logps.clone() - rows.ref_logps()?;
        let given = rows.margins()?;
        let mut margins = vec![0.0; given.len()];
        pairs.chosen.iter().for_each(|row| margins[*row] = given[*row]);
        let rewards = modpo_rewards(log_ratios, rows.constant(margins), beta, weight);
        let per_pair = modpo(pick(&rewards, &pairs.chosen), pick(&rewards, &pairs.rejected), loss);
        let per_pair = rows.weighted(per_pair, &pairs.chosen)?;
        let metrics = metrics::of_pairs(&rows, &pairs, &rewards, &logps)?;
        Ok(Loss { total: per_pair.sum() * (counts.rows / 2.0).max(1.0).recip(), metrics })
    }
}
