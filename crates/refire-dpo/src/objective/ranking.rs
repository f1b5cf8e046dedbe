use super::groups::grouped;
use super::metrics;
use super::pairs::binary;
use super::rows::Rows;
use super::step::PreferenceStep;
use crate::loss::{AftConstraint, aft, best, pro, rrhf};
use crate::stable::pick;
use crate::{DpoError, error::unless};
use burn::tensor::Tensor;
use refire_core::{BoxError, Stateful, StepView};
use refire_objective::{
    Counts, Loss, Objective, ObjectiveError, Scope, StepContext, Targets, TokenStats,
};
use serde::{Deserialize, Serialize};

const NAME: &str = "ranking";

/// How the completions of a group are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RankingLoss {
    /// [`aft`]: labels are 1 for right chains and 0 for wrong ones.
    Aft(AftConstraint),
    /// [`rrhf`]: labels are rewards.
    Rrhf,
    /// [`pro`]: labels are rewards.
    Pro,
}

impl Default for RankingLoss {
    fn default() -> Self {
        Self::Aft(AftConstraint::default())
    }
}

/// Settings of [`Ranking`].
///
/// ```
/// use refire_dpo::{RankingConfig, RankingLoss};
/// let config: RankingConfig = serde_json::from_str(r#"{"loss": "pro", "nll_weight": 0.05}"#)?;
/// assert_eq!(config.loss, RankingLoss::Pro);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RankingConfig {
    /// The loss.
    pub loss: RankingLoss,
    /// Weight of the NLL per token of the best row (of AFT: the mean over all right rows), 0 or
    /// above.
    pub nll_weight: f64,
}

impl Default for RankingConfig {
    /// AFT with its boundary; 1 for the likelihood, as in AFT and RRHF.
    fn default() -> Self {
        Self { loss: RankingLoss::default(), nll_weight: 1.0 }
    }
}

impl RankingConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<DpoError> {
        let distance = match self.loss {
            RankingLoss::Aft(AftConstraint::Boundary { beta }) => beta,
            _ => 0.0,
        };
        let fine = |x: f64| x.is_finite() && x >= 0.0;
        let expected = "0 or a positive number";
        [
            unless(fine(distance), "boundary.beta", distance, expected),
            unless(fine(self.nll_weight), "nll_weight", self.nll_weight, expected),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The objective.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<Ranking, DpoError> {
        DpoError::collect(self.validate())?;
        Ok(Ranking { config: *self })
    }
}

/// Groups of any number of completions of one prompt, ranked by their labels: AFT, RRHF, PRO.
///
/// Scores are mean log-probabilities per token; the loss is a mean over the step's groups. Row
/// weights aren't read. Metrics: `logps/chosen` and `logps/rejected` (mean scores of rows with the
/// highest label of their group, and of the others), `entropy`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::{PreferenceStep, RankingConfig, RankingLoss, StepRow};
/// use refire_objective::{Counts, Objective, Targets, TokenStats};
///
/// let device = Device::flex();
/// let mut targets = Targets::new(Tensor::ones([2, 1], &device));
/// targets.groups = vec![0, 0];
/// targets.labels = Some(vec![0.7, 0.2]);
/// let row = |label| StepRow { label: Some(label), tokens: 1, ..StepRow::default() };
/// let step = PreferenceStep { rows: vec![row(0.7), row(0.2)] };
/// let rrhf = RankingConfig { loss: RankingLoss::Rrhf, nll_weight: 1.0 }.build()?;
/// let stats = TokenStats::from_logprobs(Tensor::from_data([[-2.0], [-1.0]], &device));
/// let counts = Counts::of([[true], [true]], 1);
/// let loss = rrhf.loss(&stats, &targets, &rrhf.context(&step), &counts)?;
/// assert_eq!(loss.total.into_scalar::<f32>(), 3.0);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranking {
    config: RankingConfig,
}

/// Groups of the whole step, over which the loss is a mean.
pub(super) struct StepGroups(pub(super) f64);

impl StepGroups {
    pub(super) fn find(context: &StepContext, objective: &'static str) -> Result<f64, DpoError> {
        let missing = ObjectiveError::Context { objective };
        let Self(groups) = context.get().ok_or(DpoError::Objective(missing))?;
        Ok(groups.max(1.0))
    }
}

impl Ranking {
    /// The settings.
    pub fn config(&self) -> &RankingConfig {
        &self.config
    }

    /// What [`prepare`](Objective::prepare) makes of a step.
    pub fn context(&self, step: &PreferenceStep) -> StepContext {
        StepContext::new(StepGroups(step.groups() as f64))
    }

    /// The loss of one group, `[1]`.
    fn group(&self, scores: &Tensor<1>, places: &[usize], labels: &[f64]) -> Tensor<1> {
        let rewards: Vec<f64> = places.iter().map(|row| labels[*row]).collect();
        let (loss, learned) = match self.config.loss {
            RankingLoss::Aft(constraint) => {
                let (right, wrong): (Vec<usize>, Vec<usize>) =
                    places.iter().partition(|row| labels[**row] == 1.0);
                (aft(pick(scores, &right), pick(scores, &wrong), constraint), right)
            }
            RankingLoss::Rrhf => (rrhf(pick(scores, places), &rewards), top(places, &rewards)),
            RankingLoss::Pro => (pro(pick(scores, places), &rewards), top(places, &rewards)),
        };
        if learned.is_empty() || self.config.nll_weight == 0.0 {
            return loss;
        }
        let share = -self.config.nll_weight / learned.len() as f64;
        loss + pick(scores, &learned).sum() * share
    }
}

fn top(places: &[usize], rewards: &[f64]) -> Vec<usize> {
    best(rewards).map(|at| places[at]).into_iter().collect()
}

impl Stateful for Ranking {}

impl Objective for Ranking {
    fn name(&self) -> &'static str {
        match self.config.loss {
            RankingLoss::Aft(_) => "aft",
            RankingLoss::Rrhf => "rrhf",
            RankingLoss::Pro => "pro",
        }
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
        let labels = rows.labels()?;
        finite(labels)?;
        if matches!(self.config.loss, RankingLoss::Aft(_)) {
            binary(labels)?;
        }
        let mut groups = grouped(rows.groups()?);
        // Equal rewards keep the step's order, whatever the micro-batch's.
        let ids = rows.ids()?;
        groups.iter_mut().for_each(|(_, places)| places.sort_by_key(|place| ids[*place]));
        let scores = rows.mean_logps();
        let losses = groups.iter().map(|(_, places)| self.group(&scores, places, labels));
        let total = Tensor::cat(losses.collect(), 0).sum();
        let total = total * StepGroups::find(context, self.name())?.recip();

        let highest =
            |places: &[usize]| places.iter().map(|row| labels[*row]).fold(f64::MIN, f64::max);
        let (mut chosen, mut rejected) = (Vec::new(), Vec::new());
        for (_, places) in &groups {
            let top = highest(places);
            let (first, rest): (Vec<usize>, Vec<usize>) =
                places.iter().partition(|row| labels[**row] == top);
            chosen.extend(first);
            rejected.extend(rest);
        }
        let side = |name, places: &[usize]| {
            let sum = if places.is_empty() {
                rows.constant(vec![0.0])
            } else {
                pick(&scores.clone().detach(), places).sum()
            };
            (name, sum, Some(places.len() as f64))
        };
        let mut named = vec![side("logps/chosen", &chosen), side("logps/rejected", &rejected)];
        named.extend(metrics::tokens(&rows)?);
        Ok(Loss { total, metrics: metrics::means(named, &rows.lengths) })
    }
}

/// Checks that rewards are numbers.
pub(super) fn finite(labels: &[f64]) -> Result<(), DpoError> {
    let wrong = labels.iter().position(|label| !label.is_finite());
    wrong.map_or(Ok(()), |row| {
        Err(DpoError::Label { row, value: labels[row], expected: "a finite reward" })
    })
}
