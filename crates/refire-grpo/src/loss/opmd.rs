//! OPMD: online policy mirror descent, as Trinity computes it.
//!
//! ```text
//! loss = -A logprob / (1 + tau)
//! ```
//!
//! Trinity-RFT (2025): the regulariser towards the present policy reduces to a factor. The
//! advantage is the reward against its group's mean.

use super::reinforce;
use super::surrogate::{Gate, RowView, Surrogate, SurrogateInputs, Term, each, not_negative};
use crate::GrpoError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`opmd`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Opmd {
    /// Strength of the regulariser.
    pub tau: f64,
}

impl Default for Opmd {
    /// Trinity's 1.
    fn default() -> Self {
        Self { tau: 1.0 }
    }
}

/// `[batch, time]`; `advantages` may also be `[batch, 1]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{Opmd, opmd};
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[-1.0]], &device);
/// let advantages = Tensor::<2>::from_data([[2.0]], &device);
/// assert_eq!(opmd(logprobs, advantages, Opmd { tau: 1.0 }).into_scalar::<f32>(), 1.0);
/// ```
pub fn opmd(logprobs: Tensor<2>, advantages: Tensor<2>, config: Opmd) -> Tensor<2> {
    reinforce(logprobs, advantages) * config.factor()
}

impl Opmd {
    fn factor(self) -> f64 {
        (1.0 + self.tau).recip()
    }
}

impl Surrogate for Opmd {
    fn name(&self) -> &'static str {
        "opmd"
    }

    fn validate(&self) -> Vec<GrpoError> {
        not_negative("opmd.tau", self.tau).into_iter().collect()
    }

    fn on_policy(&self) -> Option<f64> {
        Some(self.factor())
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        Ok(opmd(inputs.logprobs.clone(), inputs.advantages.clone(), *self))
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        let factor = self.factor();
        each(rows, |_, t| {
            Term::own(-t.advantage * t.logprob * factor, -t.advantage * factor, Gate::Open)
        })
    }
}
