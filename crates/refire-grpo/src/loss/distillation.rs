//! On-policy distillation: the teacher's log-probability is the advantage.
//!
//! ```text
//! A    = sg(teacher_logprob - logprob)
//! keep = exp(logprob) - exp(base_logprob) >= -low
//! loss = -keep A r
//! ```
//!
//! The reverse KL to a teacher on the policy's own samples, token by token ("On-Policy
//! Distillation", 2025; MiniLLM's single-step part); prime-rl's `ref_kl`. The advantage follows
//! the policy as it moves; [`advantage::Distillation`](crate::advantage::Distillation) takes it
//! once, at the start of the step, for any surrogate. The teacher is the reference column.

use super::surrogate::{
    Gate, Measure, RowView, Surrogate, SurrogateInputs, Term, each, not_negative,
};
use super::{DppoTv, dppo_tv};
use crate::GrpoError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`distillation`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DistillationLoss {
    /// How much probability a token may lose before it is dropped.
    pub low: f64,
}

impl Default for DistillationLoss {
    /// prime-rl's 0.2.
    fn default() -> Self {
        Self { low: 0.2 }
    }
}

/// `[batch, time]`; the gradient flows through the ratio alone.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{DistillationLoss, distillation};
/// let device = Device::flex().autodiff();
/// let now = Tensor::<2>::from_data([[-1.0, -1.0]], &device).require_grad();
/// let teacher = Tensor::<2>::from_data([[-0.5, -3.0]], &device);
/// let loss = distillation(now.clone(), now.clone(), teacher, DistillationLoss::default());
/// let gradient = now.grad(&loss.sum().backward()).expect("a leaf");
/// assert_eq!(gradient.into_data().to_vec::<f32>()?, [-0.5, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn distillation(
    logprobs: Tensor<2>,
    base_logprobs: Tensor<2>,
    teacher_logprobs: Tensor<2>,
    config: DistillationLoss,
) -> Tensor<2> {
    let advantages = (teacher_logprobs - logprobs.clone()).detach();
    // One-sided: no token gains more than a probability of 1.
    let region = DppoTv { low: config.low, high: 1.0, two_sided: true, scale: 1.0 };
    dppo_tv(logprobs, base_logprobs, advantages, &region)
}

impl Surrogate for DistillationLoss {
    fn name(&self) -> &'static str {
        "distillation"
    }

    fn validate(&self) -> Vec<GrpoError> {
        not_negative("distillation.low", self.low).into_iter().collect()
    }

    fn reads_reference(&self) -> bool {
        true
    }

    fn reads_advantages(&self) -> bool {
        false
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        let teacher = inputs.reference(self.name())?;
        Ok(distillation(inputs.logprobs.clone(), inputs.base_logprobs.clone(), teacher, *self))
    }

    fn measure(&self, inputs: &SurrogateInputs) -> Vec<Measure> {
        let Some(teacher) = inputs.ref_logprobs.clone() else { return Vec::new() };
        let moved = inputs.logprobs.clone().exp() - inputs.base_logprobs.clone().exp();
        vec![
            Measure::flag("ref_kl/is_masked", moved.lower_scalar(-self.low), &inputs.mask),
            Measure::tokens("ref_kl", teacher - inputs.logprobs.clone()),
        ]
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        each(rows, |_, t| {
            if t.logprob.exp() - t.base_logprob.exp() < -self.low {
                return Term::own(0.0, 0.0, Gate::TrustRegion);
            }
            let advantage = t.ref_logprob - t.logprob;
            let loss = -advantage * (t.logprob - t.base_logprob).exp();
            Term::own(loss, loss, Gate::Open)
        })
    }
}
