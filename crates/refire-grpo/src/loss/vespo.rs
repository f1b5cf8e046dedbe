//! VESPO: a gamma-shaped weight of the whole sequence's ratio.
//!
//! ```text
//! w    = exp(clamp(sum_t(clamp(d_t, -20, 20) + log(weight_t)), ln 1e-8, 20))
//! phi  = e^lambda w^k e^(-lambda w)
//! loss = -sg(phi) A logprob
//! ```
//!
//! TRL's `loss_type="vespo"`. `w` is a product over the row, not a mean; `phi` is 1 at `w` 1.
//! Importance weights enter `w` instead of multiplying the loss; TRL adds their logarithms at
//! masked positions too, where they are 0 in its own runs, here the mask sees to it.

use super::surrogate::{Gate, Measure, RowView, Surrogate, SurrogateInputs, Term, positive};
use crate::GrpoError;
use burn::tensor::Tensor;
use refire_objective::Scope;
use serde::{Deserialize, Serialize};

/// Bound on a token's log-ratio, and from above on the row's.
const LIMIT: f64 = 20.0;
/// Least weight of a row.
const FLOOR: f64 = 1e-8;

/// Settings of [`vespo`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vespo {
    /// Exponent of `w` where `A >= 0`.
    pub k_pos: f64,
    /// Decay in `w` where `A >= 0`.
    pub lambda_pos: f64,
    /// Exponent of `w` where `A < 0`.
    pub k_neg: f64,
    /// Decay in `w` where `A < 0`.
    pub lambda_neg: f64,
}

impl Default for Vespo {
    /// TRL 1.16: (2, 3) and (3, 2).
    fn default() -> Self {
        Self { k_pos: 2.0, lambda_pos: 3.0, k_neg: 3.0, lambda_neg: 2.0 }
    }
}

/// `[batch, time]`, from token log-ratios; `advantages` may also be `[batch, 1]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{Vespo, vespo};
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[-1.0, -2.0]], &device);
/// let log_ratio = Tensor::<2>::zeros([1, 2], &device);
/// let (advantages, mask) = (Tensor::<2>::ones([1, 1], &device), Tensor::<2>::ones([1, 2], &device));
/// let loss = vespo(logprobs, log_ratio, advantages, mask, None, &Vespo::default());
/// assert_eq!(loss.into_data().to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn vespo(
    logprobs: Tensor<2>,
    log_ratio: Tensor<2>,
    advantages: Tensor<2>,
    mask: Tensor<2>,
    weights: Option<Tensor<2>>,
    config: &Vespo,
) -> Tensor<2> {
    let advantages = advantages.expand(logprobs.dims());
    (config.phi(log_ratio, advantages.clone(), mask, weights) * advantages * logprobs).neg()
}

impl Vespo {
    fn phi(
        &self,
        log_ratio: Tensor<2>,
        advantages: Tensor<2>,
        mask: Tensor<2>,
        weights: Option<Tensor<2>>,
    ) -> Tensor<2> {
        let dims = advantages.dims();
        let hidden = mask.equal_scalar(0.0);
        let row = |column: Tensor<2>| column.mask_fill(hidden.clone(), 0.0).sum_dim(1);
        let mut sum = row(log_ratio.detach().clamp(-LIMIT, LIMIT));
        if let Some(weights) = weights {
            let visible = weights.detach().mask_fill(hidden.clone(), 1.0);
            sum = sum + row(visible.clamp(FLOOR, LIMIT.exp()).log());
        }
        let log_w = sum.clamp(FLOOR.ln(), LIMIT);
        let phi =
            |k: f64, lambda: f64| (log_w.clone() * k - log_w.clone().exp() * lambda + lambda).exp();
        let bad = advantages.lower_scalar(0.0);
        let (good_phi, bad_phi) =
            (phi(self.k_pos, self.lambda_pos), phi(self.k_neg, self.lambda_neg));
        good_phi.expand(dims).mask_where(bad, bad_phi.expand(dims))
    }
}

impl Surrogate for Vespo {
    fn name(&self) -> &'static str {
        "vespo"
    }

    fn validate(&self) -> Vec<GrpoError> {
        [
            positive("vespo.k_pos", self.k_pos),
            positive("vespo.lambda_pos", self.lambda_pos),
            positive("vespo.k_neg", self.k_neg),
            positive("vespo.lambda_neg", self.lambda_neg),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn scope(&self) -> Scope {
        Scope::Row
    }

    fn takes_weights(&self) -> bool {
        true
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        Ok(vespo(
            inputs.logprobs.clone(),
            inputs.token_log_ratio(),
            inputs.advantages.clone(),
            inputs.mask.clone(),
            inputs.weights.clone(),
            self,
        ))
    }

    fn measure(&self, inputs: &SurrogateInputs) -> Vec<Measure> {
        let (ratio, mask) = (inputs.token_log_ratio(), inputs.mask.clone());
        let phi = self.phi(ratio, inputs.advantages.clone(), mask, inputs.weights.clone());
        vec![Measure::rows("vespo/phi_seq_mean", phi)]
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        let terms = rows.iter().map(|row| {
            let log = |t: &super::TokenView| {
                let ratio = (t.logprob - t.base_logprob).clamp(-LIMIT, LIMIT);
                ratio + t.weight.ln().clamp(FLOOR.ln(), LIMIT)
            };
            let log_w: f64 = row.tokens.iter().map(log).sum();
            let log_w = log_w.clamp(FLOOR.ln(), LIMIT);
            let term = |t: &super::TokenView| {
                let (k, lambda) = if t.advantage < 0.0 {
                    (self.k_neg, self.lambda_neg)
                } else {
                    (self.k_pos, self.lambda_pos)
                };
                let slope = -(lambda + k * log_w - lambda * log_w.exp()).exp() * t.advantage;
                Term::own(slope * t.logprob, slope, Gate::Open)
            };
            row.tokens.iter().map(term).collect()
        });
        terms.collect()
    }
}
