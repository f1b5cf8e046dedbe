//! RRHF: completions are ranked by their rewards, with a margin of 0.
//!
//! ```text
//! rank loss = sum_{r_i < r_j} max(0, p_i - p_j)        p: mean log-probability per token
//! loss      = rank loss + NLL(best)
//! ```
//!
//! Yuan et al., "RRHF: Rank Responses to Align Language Models with Human Feedback" (2023). Equal
//! scores have no gradient.

use crate::stable::{pick, relu};
use burn::tensor::Tensor;

/// The rank loss of one group, `[1]`, from its scores `[n]` and rewards.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::rrhf;
/// let scores = Tensor::<1>::from_data([-1.0, -3.0, -2.0], &Device::flex());
/// assert_eq!(rrhf(scores, &[0.0, 1.0, 1.0]).into_scalar::<f32>(), 3.0);
/// ```
pub fn rrhf(scores: Tensor<1>, rewards: &[f64]) -> Tensor<1> {
    let (mut worse, mut better) = (Vec::new(), Vec::new());
    for (i, low) in rewards.iter().enumerate() {
        for (j, high) in rewards.iter().enumerate() {
            if low < high {
                worse.push(i);
                better.push(j);
            }
        }
    }
    if worse.is_empty() {
        return scores.sum() * 0.0;
    }
    relu(pick(&scores, &worse) - pick(&scores, &better)).sum()
}

/// Place of the highest reward, the first of equal ones; `None` for an empty list.
///
/// ```
/// assert_eq!(refire_dpo::loss::best(&[1.0, 3.0, 3.0]), Some(1));
/// ```
pub fn best(rewards: &[f64]) -> Option<usize> {
    let higher = |best: usize, next: usize| if rewards[next] > rewards[best] { next } else { best };
    (0..rewards.len()).reduce(higher)
}
