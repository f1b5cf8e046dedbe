//! The second half of a step: columns by forward passes, then updates from them.

use crate::RlTrainer;
use crate::batcher::{StepBatch, step_batch, step_parts};
use burn::tensor::Tensor;
use refire_core::{
    BoxError, Columns, Metric, Metrics, Needs, Provenance, Ragged, Source, StepView,
};
use refire_objective::{Counts, HeadQuery, Scope, StepContext, TokenStats, padded};
use std::time::Instant;

impl RlTrainer {
    /// Columns that somebody asked for, from the policy as it stands and the reference.
    pub(crate) fn columns(&self, view: &StepView<'_>, needs: Needs) -> Result<Columns, BoxError> {
        // With one update per step the policy itself is the old one.
        let several = self.config.epochs * self.config.minibatches > 1;
        let own = Needs { entropy: needs.entropy, sum_sq: needs.sum_sq, ..Needs::NONE };
        let mut columns = Columns::default();
        if several || needs.sum_sq {
            let old = self.pass(view, own, |batch, query| self.policy.token_stats(batch, query))?;
            let version = self.policy.version();
            let ragged = |rows| Ragged::from_rows(rows, provenance(Source::Trainer, version, view));
            columns.old_logprobs = Some(ragged(old.logprobs));
            columns.entropy = old.entropy.map(ragged);
            columns.sum_sq = old.sum_sq.map(ragged);
        }
        if let Some(reference) = self.reference.as_ref().filter(|_| needs.ref_logprobs) {
            let rows =
                self.pass(view, Needs::NONE, |batch, query| reference.token_stats(batch, query))?;
            let from = provenance(Source::Reference, 0, view);
            columns.ref_logprobs = Some(Ragged::from_rows(rows.logprobs, from));
        }
        Ok(columns)
    }

    fn pass(
        &self,
        view: &StepView<'_>,
        needs: Needs,
        stats: impl Fn(&refire_objective::TokenBatch, &HeadQuery<'_>) -> Result<TokenStats, BoxError>,
    ) -> Result<HostStats, BoxError> {
        let groups: Vec<usize> = (0..view.groups.len()).collect();
        let lengths: Vec<usize> = view.iter().map(|(_, _, c)| c.len()).collect();
        let device = self.policy.device();
        let mut host = HostStats::new(&lengths, needs);
        for part in step_parts(view, &groups, Scope::Row, self.config.micro_batch)? {
            let batch = step_batch(view, &part, &device);
            let query = HeadQuery {
                needs,
                temperature: &batch.temperature,
                reference: None,
                coefficients: None,
            };
            host.take(stats(&batch.tokens, &query)?, &part, &lengths);
        }
        Ok(host)
    }

    /// All updates of a step.
    pub(crate) fn update(
        &mut self,
        view: &StepView<'_>,
        context: &StepContext,
        rate: f64,
    ) -> Result<Metrics, BoxError> {
        let mut metrics = Metrics::default();
        let groups: Vec<usize> = (0..view.groups.len()).collect();
        let size = groups.len().div_ceil(self.config.minibatches);
        for epoch in 0..self.config.epochs {
            for (index, minibatch) in groups.chunks(size).enumerate() {
                let first = epoch == 0 && index == 0;
                self.accumulate(view, context, minibatch, first, &mut metrics)?;
                let clock = Instant::now();
                let report = self.policy.step(rate)?;
                metrics.add(Metric::mean("grad_norm", report.grad_norm, 1.0));
                metrics.add(Metric::sum("optimizer_seconds", clock.elapsed().as_secs_f64()));
            }
        }
        Ok(metrics)
    }

    fn accumulate(
        &mut self,
        view: &StepView<'_>,
        context: &StepContext,
        groups: &[usize],
        first: bool,
        metrics: &mut Metrics,
    ) -> Result<(), BoxError> {
        let clock = Instant::now();
        let device = self.policy.device();
        let mut needs = self.objective.needs();
        needs.entropy |= self.config.log_entropy;
        let parts = step_parts(view, groups, self.objective.scope(), self.config.micro_batch)?;
        let ranges = view.group_rows();
        let masks = groups.iter().flat_map(|group| &view.mask[ranges[*group].clone()]);
        let counts = Counts::of(masks, parts.len());
        for part in parts {
            let batch = step_batch(view, &part, &device);
            let coefficients = self.objective.known_coefficients(&batch.targets, &counts);
            let query = HeadQuery {
                needs,
                temperature: &batch.temperature,
                reference: self.reference.as_deref(),
                coefficients: coefficients.as_ref(),
            };
            let objective = &self.objective;
            let report = self.policy.accumulate(&batch.tokens, &query, &mut |stats| {
                if first {
                    gap(view, &part, &batch, &stats, metrics);
                }
                objective.loss(&stats, &batch.targets, context, &counts)
            })?;
            metrics.add(Metric::sum("loss", report.total));
            metrics.extend(report.metrics);
        }
        metrics.add(Metric::sum("backward_seconds", clock.elapsed().as_secs_f64()));
        Ok(())
    }
}

/// How far the engine's log-probabilities are from the trainer's on the same tokens.
fn gap(
    view: &StepView<'_>,
    part: &[usize],
    batch: &StepBatch,
    stats: &TokenStats,
    metrics: &mut Metrics,
) {
    let all: Vec<_> = view.iter().collect();
    let lengths: Vec<usize> = part.iter().map(|row| all[*row].2.len()).collect();
    let ours = padded::rows(detached(&stats.logprobs), &lengths);
    let (mut sum, mut count, mut max) = (0.0, 0.0, 0.0_f64);
    for target in &batch.tokens.targets {
        let engine = all[part[target.row]].2.model_logprobs[target.column];
        let gap = f64::from((ours[target.row][target.column] - engine).abs());
        sum += gap;
        count += 1.0;
        max = max.max(gap);
    }
    metrics.add(Metric::mean("sampling/sampling_logp_difference/mean", sum, count));
    metrics.add(Metric::max("sampling/sampling_logp_difference/max", max));
}

fn detached(tensor: &Tensor<2>) -> Tensor<2> {
    tensor.clone().inner()
}

fn provenance(source: Source, version: u64, view: &StepView<'_>) -> Provenance {
    let mut temperatures = view.groups.iter().map(|group| group.request.params.temperature);
    let first = temperatures.next();
    let temperature = first.filter(|t| temperatures.all(|other| other == *t));
    Provenance { source, version, temperature }
}

/// Statistics of all rows on the host, in row order.
struct HostStats {
    logprobs: Vec<Vec<f32>>,
    entropy: Option<Vec<Vec<f32>>>,
    sum_sq: Option<Vec<Vec<f32>>>,
}

impl HostStats {
    fn new(lengths: &[usize], needs: Needs) -> Self {
        let zeros = || lengths.iter().map(|n| vec![0.0; *n]).collect();
        Self {
            logprobs: zeros(),
            entropy: needs.entropy.then(zeros),
            sum_sq: needs.sum_sq.then(zeros),
        }
    }

    fn take(&mut self, stats: TokenStats, part: &[usize], lengths: &[usize]) {
        let lengths: Vec<usize> = part.iter().map(|row| lengths[*row]).collect();
        let put = |into: &mut Vec<Vec<f32>>, tensor: Tensor<2>| {
            for (row, values) in part.iter().zip(padded::rows(tensor, &lengths)) {
                into[*row] = values;
            }
        };
        put(&mut self.logprobs, stats.logprobs);
        if let (Some(into), Some(tensor)) = (&mut self.entropy, stats.entropy) {
            put(into, tensor);
        }
        if let (Some(into), Some(tensor)) = (&mut self.sum_sq, stats.sum_sq) {
            put(into, tensor);
        }
    }
}
