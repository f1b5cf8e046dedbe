//! PRO: the whole ranking as a likelihood (Plackett-Luce).
//!
//! ```text
//! loss = sum_{k < n} -log(exp(s_k) / sum_{j >= k} exp(s_j))        s by falling reward
//! ```
//!
//! Song et al., "Preference Ranking Optimization for Human Alignment" (2023), without its
//! temperatures by reward difference. Equal rewards keep their order.

use crate::stable::{log_sum_exp, pick};
use burn::tensor::Tensor;

/// The loss of one group, `[1]`, from its scores `[n]` and rewards.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::pro;
/// let scores = Tensor::<1>::from_data([-1.0, -1.0], &Device::flex());
/// let loss = pro(scores, &[1.0, 0.0]).into_scalar::<f32>();
/// assert!((loss - std::f32::consts::LN_2).abs() < 1e-6);
/// ```
pub fn pro(scores: Tensor<1>, rewards: &[f64]) -> Tensor<1> {
    let mut order: Vec<usize> = (0..rewards.len()).collect();
    order.sort_by(|a, b| rewards[*b].total_cmp(&rewards[*a]));
    let n = order.len();
    if n < 2 {
        return scores.sum() * 0.0;
    }
    let ranked = pick(&scores, &order);
    let part = |start, length| ranked.clone().narrow(0, start, length);
    let term = |k| log_sum_exp(part(k, n - k)) - part(k, 1);
    Tensor::cat((0..n - 1).map(term).collect(), 0).sum()
}
