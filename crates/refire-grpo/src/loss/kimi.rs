//! Kimi k1.5's mirror descent: a squared residual instead of a trust region.
//!
//! ```text
//! D_i    = sum_t(logprobs - base_logprobs)
//! loss_i = (A_i - tau D_i)^2 / (2 tau)         A_i = R_i - mean_group R
//! ```
//!
//! Kimi k1.5 (arXiv 2501.12599): the optimum of the regularised problem has residual 0. Divided by
//! `2 tau` the gradient is `-(A - tau D)` at each token, which on-policy is REINFORCE's. Base are
//! the weights that the iteration began with; rewards are not divided by a deviation. The paper
//! resets the optimiser's state in each iteration. A row's loss stands at all of its tokens: a
//! mean over tokens, then rows, gives the paper's mean over rows.

use super::surrogate::{Gate, RowView, Surrogate, SurrogateInputs, Term, positive};
use crate::GrpoError;
use burn::tensor::Tensor;
use refire_objective::Scope;
use serde::{Deserialize, Serialize};

/// Settings of [`kimi`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kimi {
    /// Strength of the regulariser, above 0.
    pub tau: f64,
}

impl Default for Kimi {
    /// 0.1: our choice, the paper doesn't print its own.
    fn default() -> Self {
        Self { tau: 0.1 }
    }
}

/// `[batch, time]`, each row's loss at all of its positions. `advantages` are those of rows: their
/// mean under the mask is taken.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{Kimi, kimi};
/// let device = Device::flex().autodiff();
/// let now = Tensor::<2>::from_data([[-1.0, -1.0]], &device).require_grad();
/// let (base, mask) = (now.clone().detach(), Tensor::<2>::ones([1, 2], &device));
/// let loss = kimi(now.clone(), base, Tensor::ones([1, 2], &device), mask, Kimi { tau: 0.5 });
/// let gradient = now.grad(&loss.mean().backward()).expect("a leaf");
/// assert_eq!(gradient.into_data().to_vec::<f32>()?, [-1.0, -1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn kimi(
    logprobs: Tensor<2>,
    base_logprobs: Tensor<2>,
    advantages: Tensor<2>,
    mask: Tensor<2>,
    config: Kimi,
) -> Tensor<2> {
    let dims = logprobs.dims();
    let hidden = mask.clone().equal_scalar(0.0);
    let row = |column: Tensor<2>| column.mask_fill(hidden.clone(), 0.0).sum_dim(1);
    let advantage = row(advantages.expand(dims)) / mask.sum_dim(1).clamp_min(1.0);
    let residual = advantage - row(logprobs - base_logprobs.detach()) * config.tau;
    (residual.clone() * residual * (0.5 / config.tau)).expand(dims)
}

impl Surrogate for Kimi {
    fn name(&self) -> &'static str {
        "kimi"
    }

    fn validate(&self) -> Vec<GrpoError> {
        positive("kimi.tau", self.tau).into_iter().collect()
    }

    fn scope(&self) -> Scope {
        Scope::Row
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        let (now, base) = (inputs.logprobs.clone(), inputs.base_logprobs.clone());
        Ok(kimi(now, base, inputs.advantages.clone(), inputs.mask.clone(), *self))
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        let terms = rows.iter().map(|row| {
            let count = row.tokens.len().max(1) as f64;
            let advantage = row.tokens.iter().map(|t| t.advantage).sum::<f64>() / count;
            let moved: f64 = row.tokens.iter().map(|t| t.logprob - t.base_logprob).sum();
            let residual = advantage - self.tau * moved;
            let loss = residual * residual / (2.0 * self.tau);
            let gate = Gate::Open;
            let term = Term { loss, by_logprob: 0.0, by_row: -residual, through: 1.0, gate };
            vec![term; row.tokens.len()]
        });
        terms.collect()
    }
}
