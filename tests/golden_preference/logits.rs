//! From logits to what a model says about each target.
#![allow(dead_code, reason = "several tests share this, each uses its part")]

use crate::tensors::{device, grid};
use refire::burn::tensor::activation::log_softmax;
use refire::burn::tensor::{DType, Int, Tensor, TensorData};
use refire::objective::TokenStats;

/// Statistics `[rows, time - 1]` of targets that stand one place behind the logits that predict
/// them. Negative labels are read as 0.
pub(crate) fn stats(logits: &Tensor<3>, labels: &[f64]) -> TokenStats {
    let [rows, time, vocab] = logits.dims();
    let dims = [rows, time - 1];
    let logprobs = log_softmax(logits.clone().narrow(1, 0, time - 1), 2);
    let targets = labels.chunks(time).flat_map(|row| &row[1..]).map(|label| label.max(0.0) as i64);
    let targets = TensorData::new(targets.collect::<Vec<i64>>(), [rows, time - 1, 1]);
    let targets = Tensor::<3, Int>::from_data(targets, &device());
    let probs = logprobs.clone().exp();
    let entropy = (probs.clone() * logprobs.clone()).sum_dim(2).neg();
    let mut stats = TokenStats::from_logprobs(logprobs.clone().gather(2, targets).reshape(dims));
    stats.entropy = Some(entropy.reshape(dims));
    stats.sum_sq = Some((probs.clone() * probs).sum_dim(2).reshape(dims));
    stats.mean_logprob = Some((logprobs.sum_dim(2) * (vocab as f64).recip()).reshape(dims));
    stats
}

/// Numbers as `[rows, time, vocab]`, with a gradient.
pub(crate) fn leaf(values: &[f64], shape: &[usize]) -> Tensor<3> {
    let shape: [usize; 3] = shape.try_into().unwrap_or([0; 3]);
    let data = TensorData::new(values.to_vec(), shape);
    Tensor::<3>::from_data(data, (&device(), DType::F64)).require_grad()
}

/// The columns of `[rows, time]` numbers behind the first.
pub(crate) fn shifted(values: &[f64], time: usize) -> Vec<f64> {
    values.chunks(time).flat_map(|row| &row[1..]).copied().collect()
}

/// Shifted numbers as a tensor.
pub(crate) fn shifted_grid(values: &[f64], time: usize) -> Tensor<2> {
    grid(&shifted(values, time), [values.len() / time, time - 1])
}
