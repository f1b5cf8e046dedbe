//! REINFORCE: no ratio, no trust region.
//!
//! ```text
//! loss = -A logprob
//! ```
//!
//! Williams (1992); verl's `reinforce` and `gpg`, Trinity's OPMD before its factor. With the
//! advantages of [`gpg`](crate::advantage::gpg) it is GPG, with advantages of 1 the likelihood of
//! the chosen rows (rejection-sampling fine-tuning). Off-policy it needs the weights of a
//! [`Correction`](crate::correction::Correction).

use super::surrogate::{Gate, RowView, Surrogate, SurrogateInputs, Term, each};
use crate::GrpoError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The plain score-function loss; it has no settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reinforce {}

/// `[batch, time]`; `advantages` may also be `[batch, 1]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::reinforce;
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[-1.0, -2.0]], &device);
/// let advantages = Tensor::<2>::from_data([[0.5]], &device);
/// assert_eq!(reinforce(logprobs, advantages).into_data().to_vec::<f32>()?, [0.5, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn reinforce(logprobs: Tensor<2>, advantages: Tensor<2>) -> Tensor<2> {
    let advantages = advantages.expand(logprobs.dims());
    (logprobs * advantages).neg()
}

impl Surrogate for Reinforce {
    fn name(&self) -> &'static str {
        "reinforce"
    }

    fn on_policy(&self) -> Option<f64> {
        Some(1.0)
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        Ok(reinforce(inputs.logprobs.clone(), inputs.advantages.clone()))
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        each(rows, |_, t| Term::own(-t.advantage * t.logprob, -t.advantage, Gate::Open))
    }
}
