//! Numbers to tensors and back, in double precision.
#![allow(dead_code, reason = "several tests share this, each uses its part")]

use crate::harness::Problem;
use refire::burn::tensor::{DType, Device, Gradients, Tensor, TensorData};
use refire::core::Metrics;
use refire::objective::{Counts, Loss, Objective, StepContext, Targets, TokenStats};

pub(crate) fn device() -> Device {
    Device::flex().autodiff()
}

pub(crate) fn column(values: &[f64]) -> Tensor<1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, (&device(), DType::F64))
}

/// A column whose gradient is asked for.
pub(crate) fn leaf(values: &[f64]) -> Tensor<1> {
    column(values).require_grad()
}

pub(crate) fn grid(values: &[f64], dims: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), dims), (&device(), DType::F64))
}

pub(crate) fn host<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.clone().detach().into_data().iter::<f64>().collect()
}

/// A leaf's gradient; zeros where the loss doesn't depend on it.
pub(crate) fn gradient<const D: usize>(leaf: &Tensor<D>, gradients: &Gradients) -> Vec<f64> {
    leaf.grad(gradients).map_or_else(
        || vec![0.0; leaf.dims().iter().product()],
        |gradient| gradient.into_data().iter::<f64>().collect(),
    )
}

/// Gradients of the mean of a loss with respect to its leaves.
pub(crate) fn mean_gradients(loss: &Tensor<1>, leaves: &[&Tensor<1>]) -> (f64, Vec<Vec<f64>>) {
    let mean = loss.clone().mean();
    let value = host(&mean)[0];
    let gradients = mean.backward();
    (value, leaves.iter().map(|leaf| gradient(leaf, &gradients)).collect())
}

/// Rows of log-probabilities, each with a value of its own at its first token and nothing behind:
/// whole completions as an objective sees them.
#[derive(Debug)]
pub(crate) struct RowBatch {
    pub(crate) logprobs: Tensor<2>,
    pub(crate) targets: Targets,
    pub(crate) counts: Counts,
    width: usize,
}

impl RowBatch {
    pub(crate) fn new(logps: &[f64], lengths: &[usize]) -> Self {
        let width = lengths.iter().copied().max().unwrap_or(0).max(1);
        let masks: Vec<Vec<bool>> =
            lengths.iter().map(|n| (0..width).map(|t| t < *n).collect()).collect();
        let mask: Vec<f64> = masks.iter().flatten().map(|m| f64::from(u8::from(*m))).collect();
        let dims = [logps.len(), width];
        let logprobs = grid(&first_column(logps, width), dims).require_grad();
        let targets = Targets::new(grid(&mask, dims));
        Self { logprobs, targets, counts: Counts::of(&masks, 1), width }
    }

    pub(crate) fn with_reference(mut self, ref_logps: &[f64]) -> Self {
        let dims = [ref_logps.len(), self.width];
        self.targets.ref_logprobs = Some(grid(&first_column(ref_logps, self.width), dims));
        self
    }

    /// Rows `[chosen..., rejected...]` of pairs.
    pub(crate) fn paired(mut self) -> Self {
        let pairs = self.targets.groups.len() / 2;
        self.targets.groups = (0..2 * pairs).map(|row| row % pairs.max(1)).collect();
        self.targets.labels =
            Some((0..2 * pairs).map(|row| f64::from(u8::from(row < pairs))).collect());
        self
    }

    /// Value, gradient of each row's log-probability, and metrics.
    pub(crate) fn run(
        &self,
        objective: &dyn Objective,
        context: &StepContext,
    ) -> Result<Outcome, Problem> {
        let stats = TokenStats::from_logprobs(self.logprobs.clone());
        let loss = objective
            .loss(&stats, &self.targets, context, &self.counts)
            .map_err(|error| error.to_string())?;
        Ok(outcome(loss, &self.logprobs, self.width))
    }
}

fn first_column(values: &[f64], width: usize) -> Vec<f64> {
    values.iter().flat_map(|v| (0..width).map(move |t| if t == 0 { *v } else { 0.0 })).collect()
}

/// What an objective says.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) total: f64,
    /// Of each row's first token.
    pub(crate) gradient: Vec<f64>,
    pub(crate) metrics: Metrics,
}

fn outcome(loss: Loss, logprobs: &Tensor<2>, width: usize) -> Outcome {
    let total = host(&loss.total)[0];
    let gradient = gradient(logprobs, &loss.total.backward());
    let gradient = gradient.chunks(width).map(|row| row[0]).collect();
    let mut metrics = Metrics::default();
    metrics.extend(loss.metrics);
    Outcome { total, gradient, metrics }
}
