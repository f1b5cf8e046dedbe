//! On-policy distillation from sampled tokens alone: the student writes, the teacher's
//! log-probabilities of what was written are the reward of each token.
//!
//! ```text
//! A_t  = ref_logprob_t - old_logprob_t          constant; ref: teacher, old: student when it wrote
//! loss = -exp(logprob_t - old_logprob_t) A_t
//! ```
//!
//! The policy gradient of KL(student || teacher) per token without discount: Lu and Thinking Machines
//! Lab, "On-Policy Distillation" (2025). On the first update `old` is the present policy and the ratio
//! exactly 1. With the whole vocabulary at hand, [`Distill`](super::Distill) has less noise.

use crate::columns::{View, reduced};
use burn::tensor::Tensor;
use refire_core::{BoxError, Needs, Stateful};
use refire_objective::{Aggregation, Counts, Loss, Objective, StepContext, Targets, TokenStats};

const NAME: &str = "on_policy_distill";
/// Largest logarithm of a ratio, as in the policy-gradient losses.
const MAX_LOG_RATIO: f64 = 20.0;

/// The loss per token, `[batch, time]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_sft::loss::on_policy_distill;
/// let device = Device::flex();
/// let column = |x: f32| Tensor::<2>::from_data([[x]], &device);
/// let loss = on_policy_distill(column(-2.0), column(-2.0), column(-1.0));
/// assert_eq!(loss.into_scalar::<f32>(), -1.0);
/// ```
pub fn on_policy_distill(
    logprobs: Tensor<2>,
    old_logprobs: Tensor<2>,
    ref_logprobs: Tensor<2>,
) -> Tensor<2> {
    let old = old_logprobs.detach();
    let advantages = ref_logprobs.detach() - old.clone();
    let ratio = (logprobs - old).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp();
    (ratio * advantages).neg()
}

/// [`on_policy_distill`] as an [`Objective`]: a mean over the tokens of the step, with token weights.
///
/// Metrics: `loss`, `teacher_kl` (the estimate of KL(student || teacher) from the sampled tokens), and
/// `entropy` where it was computed; all are means over tokens.
///
/// ```
/// use refire_objective::Objective;
/// use refire_sft::loss::OnPolicyDistill;
/// assert!(OnPolicyDistill.needs().ref_logprobs);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct OnPolicyDistill;

impl Stateful for OnPolicyDistill {}

impl Objective for OnPolicyDistill {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs {
        Needs { ref_logprobs: true, ..Needs::NONE }
    }

    fn loss(
        &self,
        stats: &TokenStats,
        targets: &Targets,
        _context: &StepContext,
        counts: &Counts,
    ) -> Result<Loss, BoxError> {
        let view = View::of(&targets.mask);
        let logprobs = view.visible("logprobs", &stats.logprobs)?;
        let teacher = view.required("ref_logprobs", &targets.ref_logprobs, NAME)?;
        let old = match &targets.old_logprobs {
            Some(old) => view.visible("old_logprobs", old)?,
            None => logprobs.clone(),
        };
        let gap = logprobs.clone() - teacher.clone();
        let per_token = on_policy_distill(logprobs, old, teacher);
        let how = Aggregation::TokenMean;
        Ok(reduced(per_token, how, stats, targets, counts, vec![("teacher_kl", gap)])?)
    }
}
