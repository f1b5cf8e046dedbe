//! GMPO: the geometric mean of clipped token ratios.
//!
//! ```text
//! d'   = sign(A) min(sign(A) d, sign(A) clip(d, -low, high))
//! s    = exp(sum_t(d') / (|o| + eps))
//! loss = -mean_t(A) s                              the same at all tokens of a row
//! ```
//!
//! Zhao et al., "Geometric-Mean Policy Optimization" (2025). The clip is one-sided and in
//! log-space: (e^-0.4, e^0.4) in the paper; verl's `geo_mean` takes 0.2 by default and adds 1e-8
//! to lengths. Importance weights enter as their geometric mean over the row. Rows are averaged,
//! empty ones count: [`Aggregation::SeqMeanTokenMean`](refire_objective::Aggregation) over all
//! rows.

use super::ClipRange;
use super::surrogate::{
    Gate, Measure, RowView, Surrogate, SurrogateInputs, Term, TokenView, not_negative,
};
use crate::GrpoError;
use burn::tensor::Tensor;
use refire_objective::Scope;
use serde::{Deserialize, Serialize};

/// Added to an importance weight before its logarithm, as in verl.
const WEIGHT_EPS: f64 = 1e-10;

/// Settings of [`gmpo`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gmpo {
    /// How far log-ratios may move, from `-low` to `high`.
    pub clip_range: ClipRange,
    /// Added to the length of a row.
    pub length_eps: f64,
}

impl Default for Gmpo {
    /// The paper's 0.4 on both sides, exact lengths.
    fn default() -> Self {
        Self { clip_range: ClipRange { low: 0.4, high: 0.4 }, length_eps: 0.0 }
    }
}

/// `[batch, time]`, each row's loss at all of its positions.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{Gmpo, gmpo};
/// let device = Device::flex();
/// // One token went beyond the range, where it counts as 0.4.
/// let log_ratio = Tensor::<2>::from_data([[9.0, -0.4]], &device);
/// let (advantages, mask) = (Tensor::<2>::ones([1, 2], &device), Tensor::<2>::ones([1, 2], &device));
/// let loss = gmpo(log_ratio, advantages, mask, None, &Gmpo::default());
/// assert!((loss.into_data().to_vec::<f32>()?[0] + 1.0).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn gmpo(
    log_ratio: Tensor<2>,
    advantages: Tensor<2>,
    mask: Tensor<2>,
    weights: Option<Tensor<2>>,
    config: &Gmpo,
) -> Tensor<2> {
    let dims = log_ratio.dims();
    let advantages = advantages.expand(dims);
    let ClipRange { low, high } = config.clip_range;
    let sign = advantages.clone().sign();
    let clipped = log_ratio.clone().clamp(-low, high);
    let held = (log_ratio * sign.clone()).min_pair(clipped * sign.clone()) * sign;
    let hidden = mask.clone().equal_scalar(0.0);
    let lengths = mask.sum_dim(1).clamp_min(1.0) + config.length_eps;
    let mean =
        |column: Tensor<2>| column.mask_fill(hidden.clone(), 0.0).sum_dim(1) / lengths.clone();
    let mut loss = (mean(held).exp() * mean(advantages)).neg();
    if let Some(weights) = weights {
        let visible = weights.detach().mask_fill(hidden.clone(), 1.0);
        loss = loss * mean((visible + WEIGHT_EPS).log()).exp();
    }
    loss.expand(dims)
}

impl Surrogate for Gmpo {
    fn name(&self) -> &'static str {
        "gmpo"
    }

    fn validate(&self) -> Vec<GrpoError> {
        let eps = not_negative("gmpo.length_eps", self.length_eps);
        self.clip_range.validate().into_iter().chain(eps).collect()
    }

    fn scope(&self) -> Scope {
        Scope::Row
    }

    fn takes_weights(&self) -> bool {
        true
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        let (advantages, mask) = (inputs.advantages.clone(), inputs.mask.clone());
        Ok(gmpo(inputs.token_log_ratio(), advantages, mask, inputs.weights.clone(), self))
    }

    fn measure(&self, inputs: &SurrogateInputs) -> Vec<Measure> {
        let ratio = inputs.token_log_ratio();
        let ClipRange { low, high } = self.clip_range;
        let outside = ratio.clone().lower_scalar(-low).bool_or(ratio.greater_scalar(high));
        let bad = inputs.advantages.clone().lower_scalar(0.0);
        let good = inputs.advantages.clone().greater_scalar(0.0);
        vec![
            Measure::flag("clip_ratio/low_mean", outside.clone().bool_and(bad), &inputs.mask),
            Measure::flag("clip_ratio/high_mean", outside.bool_and(good), &inputs.mask),
        ]
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        rows.iter().map(|row| self.row(row)).collect()
    }
}

impl Gmpo {
    /// The log-ratio as clipped, and what clipped it.
    fn held(&self, token: &TokenView) -> (f64, Gate) {
        let ratio = token.logprob - token.base_logprob;
        let ClipRange { low, high } = self.clip_range;
        if token.advantage > 0.0 && ratio > high {
            (high, Gate::ClippedHigh)
        } else if token.advantage < 0.0 && ratio < -low {
            (-low, Gate::ClippedLow)
        } else if token.advantage == 0.0 {
            (0.0, Gate::Open)
        } else {
            (ratio, Gate::Open)
        }
    }

    fn row(&self, row: &RowView) -> Vec<Term> {
        let length = row.tokens.len().max(1) as f64 + self.length_eps;
        let mean =
            |value: &dyn Fn(&TokenView) -> f64| row.tokens.iter().map(value).sum::<f64>() / length;
        let log_weight = mean(&|t| (t.weight + WEIGHT_EPS).ln());
        // Weights of 1 are no weights: verl then leaves the factor out.
        let weighted = row.tokens.iter().any(|t| t.weight != 1.0);
        let weight = if weighted { log_weight.exp() } else { 1.0 };
        let loss = -mean(&|t| t.advantage) * mean(&|t| self.held(t).0).exp() * weight;
        let term = |token: &TokenView| {
            let gate = self.held(token).1;
            let moves = gate == Gate::Open && token.advantage != 0.0;
            let through = if moves { length.recip() } else { 0.0 };
            Term { loss, by_logprob: 0.0, by_row: loss, through, gate }
        };
        row.tokens.iter().map(term).collect()
    }
}
