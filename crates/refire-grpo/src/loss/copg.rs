//! CoPG: two completions of one prompt, and the contrast of their regularised rewards.
//!
//! ```text
//! delta  = R - beta (sum_t logprob - sum_t ref_logprob)
//! pair   = (delta_a - delta_b)^2 / (2 beta)
//! group  = n / (n - 1) (delta_i - mean delta)^2 / (2 beta)         at row i of n
//! ```
//!
//! Flet-Berliac et al., "Contrastive Policy Gradient" (arXiv 2406.19185). The gradient of a pair
//! is `-(delta_a - delta_b) (grad logprob_a - grad logprob_b)`; samples may come from anywhere,
//! without an importance ratio. A group of two is a pair; in larger groups each row contrasts with
//! all of its siblings, the mean being a constant of the gradient. IPO is the case with rewards of
//! a preference. Rewards may be centred beforehand: only differences count.

use super::surrogate::{Gate, RowView, Surrogate, SurrogateInputs, Term, positive};
use crate::GrpoError;
use burn::tensor::{Tensor, TensorData};
use refire_objective::Scope;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of [`copg`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Copg {
    /// Strength of the regulariser, above 0.
    pub beta: f64,
}

impl Default for Copg {
    /// 0.1: our choice, of the order that the paper's experiments scan.
    fn default() -> Self {
        Self { beta: 0.1 }
    }
}

/// One completion of each pair.
#[derive(Debug, Clone)]
pub struct CopgSide {
    /// Log-probabilities of whole completions, `[pairs]`.
    pub logprobs: Tensor<1>,
    /// The same under the reference; constants.
    pub ref_logprobs: Tensor<1>,
    /// Rewards.
    pub rewards: Tensor<1>,
}

impl CopgSide {
    fn delta(self, beta: f64) -> Tensor<1> {
        self.rewards - (self.logprobs - self.ref_logprobs.detach()) * beta
    }
}

/// The loss of each pair, `[pairs]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{CopgSide, copg};
/// let device = Device::flex();
/// let side = |reward: f32| CopgSide {
///     logprobs: Tensor::from_data([-3.0], &device),
///     ref_logprobs: Tensor::from_data([-3.0], &device),
///     rewards: Tensor::from_data([reward], &device),
/// };
/// assert_eq!(copg(side(1.0), side(0.0), 0.5).into_scalar::<f32>(), 1.0);
/// ```
pub fn copg(a: CopgSide, b: CopgSide, beta: f64) -> Tensor<1> {
    let gap = a.delta(beta) - b.delta(beta);
    gap.clone() * gap * (0.5 / beta)
}

impl Copg {
    /// Weights that turn a column of rows into each row's distance from the mean of its group,
    /// `[rows, rows]`, and each row's factor `n / (n - 1)`. Empty rows have no part.
    fn contrast(inputs: &SurrogateInputs) -> (Tensor<2>, Tensor<2>) {
        let lengths: Vec<f64> =
            inputs.mask.clone().inner().sum_dim(1).into_data().iter::<f64>().collect();
        let rows = lengths.len();
        let mut sizes: BTreeMap<usize, f64> = BTreeMap::new();
        for (group, length) in inputs.groups.iter().zip(&lengths) {
            *sizes.entry(*group).or_default() += f64::from(*length > 0.0);
        }
        let size = |row: usize| sizes.get(&inputs.groups[row]).copied().unwrap_or(0.0);
        let mut mean = vec![0.0; rows * rows];
        for i in 0..rows {
            for j in (0..rows).filter(|j| inputs.groups[*j] == inputs.groups[i]) {
                if lengths[i] > 0.0 && lengths[j] > 0.0 {
                    mean[i * rows + j] = size(i).recip();
                }
            }
        }
        let factor = |row: usize| {
            let n = size(row);
            if lengths[row] > 0.0 && n > 1.0 { n / (n - 1.0) } else { 0.0 }
        };
        let place = (&inputs.mask.device(), inputs.mask.dtype());
        let factors: Vec<f64> = (0..rows).map(factor).collect();
        (
            Tensor::from_data(TensorData::new(mean, [rows, rows]), place),
            Tensor::from_data(TensorData::new(factors, [rows, 1]), place),
        )
    }
}

impl Surrogate for Copg {
    fn name(&self) -> &'static str {
        "copg"
    }

    fn validate(&self) -> Vec<GrpoError> {
        positive("copg.beta", self.beta).into_iter().collect()
    }

    fn scope(&self) -> Scope {
        Scope::Group
    }

    fn reads_reference(&self) -> bool {
        true
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        let reference = inputs.reference(self.name())?;
        let dims = inputs.logprobs.dims();
        if inputs.groups.len() != dims[0] {
            let (found, expected) = (inputs.groups.len(), dims[0]);
            return Err(GrpoError::Count { what: "groups of rows", found, expected });
        }
        let reward = inputs.advantages.clone().sum_dim(1) / inputs.lengths();
        let moved = (inputs.logprobs.clone() - reference.detach()).sum_dim(1);
        let delta = reward - moved * self.beta;
        let (mean, factor) = Self::contrast(inputs);
        let gap = delta.clone() - mean.matmul(delta.detach());
        Ok((gap.clone() * gap * factor * (0.5 / self.beta)).expand(dims))
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        let delta = |row: &RowView| {
            let count = row.tokens.len().max(1) as f64;
            let reward = row.tokens.iter().map(|t| t.advantage).sum::<f64>() / count;
            let moved: f64 = row.tokens.iter().map(|t| t.logprob - t.ref_logprob).sum();
            reward - self.beta * moved
        };
        let mut groups: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for row in rows.iter().filter(|row| !row.tokens.is_empty()) {
            groups.entry(row.group).or_default().push(delta(row));
        }
        let term = |row: &RowView| {
            let siblings = groups.get(&row.group).map_or(&[][..], Vec::as_slice);
            let n = siblings.len() as f64;
            let factor = if n > 1.0 { n / (n - 1.0) } else { 0.0 };
            let gap = delta(row) - siblings.iter().sum::<f64>() / n.max(1.0);
            let loss = factor * gap * gap / (2.0 * self.beta);
            let (by_row, gate) = (-factor * gap, Gate::Open);
            vec![Term { loss, by_logprob: 0.0, by_row, through: 1.0, gate }; row.tokens.len()]
        };
        rows.iter().map(term).collect()
    }
}
