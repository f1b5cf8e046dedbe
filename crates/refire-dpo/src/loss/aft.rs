//! AFT: right chains of thought score above wrong ones, under a constraint on how far the wrong ones
//! may fall.
//!
//! ```text
//! none       log(1 + sum_{p,n} exp(s_n - s_p))                 s: mean log-probability per token
//! detached   the same with s_n a constant
//! boundary   log(1 + sum_{p,n} [exp(s_n - s_p) + exp(2 (s* - beta) - s_p - s_n)])
//!            s* = min s_p, a constant
//! ```
//!
//! Wang et al., "Making Large Language Models Better Reasoners with Alignment" (2023), from the
//! paper. With the boundary the gradient of `s_n` changes its sign at `s* - beta`: scores further
//! down are lifted again. A group without right or without wrong chains has loss 0.

use crate::stable::log_sum_exp;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// What keeps the scores of wrong chains from falling without end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AftConstraint {
    /// Nothing.
    None,
    /// Wrong scores get no gradient.
    Detached,
    /// They are held above the lowest right score minus `beta`.
    Boundary {
        /// Distance, 0 or above.
        beta: f64,
    },
}

impl Default for AftConstraint {
    /// The boundary at 0.15; the paper tunes it between 0.05 and 0.5.
    fn default() -> Self {
        Self::Boundary { beta: 0.15 }
    }
}

/// The loss of one group, `[1]`, from the scores of its right `[p]` and wrong `[n]` chains.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::{AftConstraint, aft};
/// let score = || Tensor::<1>::from_data([-0.5], &Device::flex());
/// let loss = aft(score(), score(), AftConstraint::None).into_scalar::<f32>();
/// assert!((loss - std::f32::consts::LN_2).abs() < 1e-6);
/// ```
pub fn aft(right: Tensor<1>, wrong: Tensor<1>, constraint: AftConstraint) -> Tensor<1> {
    let (p, n) = (right.dims()[0], wrong.dims()[0]);
    if p == 0 || n == 0 {
        // Nothing to compare; the graph stays alive.
        return right.sum() * 0.0 + wrong.sum() * 0.0;
    }
    let lowest = right.clone().detach().min();
    let right = right.reshape([p, 1]).expand([p, n]).reshape([p * n]);
    let wrong = wrong.reshape([1, n]).expand([p, n]).reshape([p * n]);
    let zero = lowest.zeros_like();
    let terms = match constraint {
        AftConstraint::None => vec![zero, wrong - right],
        AftConstraint::Detached => vec![zero, wrong.detach() - right],
        AftConstraint::Boundary { beta } => {
            let bound = ((lowest - beta) * 2.0).expand([p * n]);
            vec![zero, wrong.clone() - right.clone(), bound - right - wrong]
        }
    };
    log_sum_exp(Tensor::cat(terms, 0))
}
