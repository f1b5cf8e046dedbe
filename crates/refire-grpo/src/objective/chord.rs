use super::PolicyLoss;
use crate::loss::{ExpertLoss, MuSchedule};
use crate::{GrpoError, PolicyLossConfig, PolicyStep};
use refire_core::{BoxError, Completion, Metric, Needs, Prompt, Stateful, StepView};
use refire_objective::{
    Aggregation, Counts, Loss, Objective, ObjectiveError, Scope, StepContext, Targets, TokenStats,
};
use serde::{Deserialize, Serialize};

/// The name in errors and logs.
const NAME: &str = "chord";

/// Settings of [`Chord`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChordConfig {
    /// The loss of the policy's own rows.
    pub policy: PolicyLossConfig,
    /// The loss of expert rows, a mean over their tokens.
    pub expert: ExpertLoss,
    /// How much expert rows count.
    pub mu: MuSchedule,
}

impl ChordConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let parts = self.policy.validate().into_iter().chain(self.expert.validate());
        parts.chain(self.mu.validate()).collect()
    }
}

/// Tells expert rows from the policy's own.
type IsExpert = Box<dyn Fn(&Prompt, &Completion) -> bool + Send>;

/// What a step is made of, by its rows.
struct ChordStep {
    expert: Vec<bool>,
    policy: PolicyStep,
    own: Counts,
    experts: f64,
    mu: f64,
}

/// CHORD: a policy loss on the policy's own rows and a supervised loss on expert rows, in one step.
///
/// ```text
/// loss = (1 - mu) L_policy(own rows) + mu mean over expert tokens of L_expert
/// ```
///
/// "On-Policy RL Meets Off-Policy Experts" (2025). Each part is normalised by its own totals over
/// the step; Trinity scales both by fixed batch sizes instead. Expert rows take part in the
/// statistics of advantages unless their scores say otherwise.
///
/// ```
/// use refire_grpo::{Chord, ChordConfig};
/// use refire_objective::Objective;
/// let expert = |prompt: &refire_core::Prompt, _: &_| prompt.meta.contains_key("expert");
/// let objective = Chord::new(ChordConfig::default(), expert)?;
/// assert_eq!(objective.name(), "chord");
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
pub struct Chord {
    config: ChordConfig,
    policy: PolicyLoss,
    is_expert: IsExpert,
}

impl std::fmt::Debug for Chord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chord").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Chord {
    /// The objective; `is_expert` tells which rows are demonstrations.
    ///
    /// # Errors
    /// When [`ChordConfig::validate`] finds a problem.
    pub fn new(
        config: ChordConfig,
        is_expert: impl Fn(&Prompt, &Completion) -> bool + Send + 'static,
    ) -> Result<Self, GrpoError> {
        GrpoError::collect(config.validate())?;
        let policy = PolicyLoss::new(config.policy.clone())?;
        Ok(Self { config, policy, is_expert: Box::new(is_expert) })
    }

    /// The micro-batch's mask with only one kind of rows left.
    fn only(targets: &Targets, step: &ChordStep, expert: bool) -> Result<Targets, ObjectiveError> {
        let flag = |id: &usize| {
            let (what, limit) = ("a row of the step", step.expert.len());
            let found = step.expert.get(*id).copied();
            found.ok_or(ObjectiveError::Index { what, found: *id, limit })
        };
        let flags = targets.row_ids.iter().map(flag).collect::<Result<Vec<bool>, _>>()?;
        let keep: Vec<f64> = flags.iter().map(|f| f64::from(u8::from(*f == expert))).collect();
        let shape = [keep.len(), 1];
        let place = (&targets.mask.device(), targets.mask.dtype());
        let keep =
            burn::tensor::Tensor::<2>::from_data(burn::tensor::TensorData::new(keep, shape), place);
        Ok(Targets { mask: targets.mask.clone() * keep, ..targets.clone() })
    }
}

impl Stateful for Chord {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        self.policy.state()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.policy.restore(state)
    }
}

impl Objective for Chord {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs {
        self.policy.needs()
    }

    fn scope(&self) -> Scope {
        self.policy.scope().max(Scope::Row)
    }

    fn prepare(&mut self, step: &StepView<'_>) -> Result<StepContext, BoxError> {
        let expert: Vec<bool> = step
            .iter()
            .map(|(_, prompt, completion)| (self.is_expert)(prompt, completion))
            .collect();
        let rows = || step.mask.iter().zip(&expert);
        let own = Counts::of(rows().filter(|(_, e)| !**e).map(|(mask, _)| mask), 1);
        let experts = rows().filter(|(_, e)| **e).flat_map(|(mask, _)| mask).filter(|m| **m);
        let experts = experts.count() as f64;
        let own_mask: Vec<Vec<bool>> = rows()
            .map(|(mask, expert)| if *expert { vec![false; mask.len()] } else { mask.clone() })
            .collect();
        let policy = self.policy.look(&StepView { mask: &own_mask, ..*step })?;
        let mu = self.config.mu.at(step.step);
        Ok(StepContext::new(ChordStep { expert, policy, own, experts, mu }))
    }

    fn loss(
        &self,
        stats: &TokenStats,
        targets: &Targets,
        context: &StepContext,
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        let step = context.get::<ChordStep>().ok_or(ObjectiveError::Context { objective: NAME })?;
        if targets.mask.dims()[0] == 0 {
            return Ok(Loss { total: stats.logprobs.clone().sum(), metrics: Vec::new() });
        }
        let own = Self::only(targets, step, false)?;
        let totals = Counts { micro_batches: counts.micro_batches, ..step.own };
        let policy_step = StepContext::new(step.policy.clone());
        let policy = self.policy.loss(stats, &own, &policy_step, &totals)?;
        let mask = Self::only(targets, step, true)?.mask;
        let hidden = mask.clone().equal_scalar(0.0);
        let logprobs = stats.logprobs.clone().mask_fill(hidden, 0.0);
        let experts = Counts { tokens: step.experts, ..*counts };
        let per_token = self.config.expert.per_token(logprobs);
        let expert = Aggregation::TokenMean.reduce(per_token, mask.clone(), Some(&experts));
        let sums = burn::tensor::Tensor::cat(vec![expert.clone().inner(), mask.inner().sum()], 0);
        let sums: Vec<f64> = sums.into_data().iter::<f64>().collect();
        let mut metrics = policy.metrics;
        if let [loss, tokens] = sums[..] {
            let share = tokens / step.experts.max(1.0);
            metrics.push(Metric::mean("chord/expert_loss", loss, share));
        }
        metrics.push(Metric::mean("chord/mu", step.mu, 1.0));
        Ok(Loss { total: policy.total * (1.0 - step.mu) + expert * step.mu, metrics })
    }
}
