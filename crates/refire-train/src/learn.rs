//! What the loops over completions share: columns by forward passes, and gradients from them.

use crate::MicroBatch;
use crate::batcher::{StepBatch, step_batch, step_parts};
use burn::tensor::{Device, Tensor};
use refire_core::{BoxError, Metric, Metrics, Needs, Provenance, Ragged, Source, StepView};
use refire_objective::{
    Counts, FrozenPolicy, HeadQuery, Objective, Policy, Scope, StepContext, TokenBatch, TokenStats,
    padded,
};

/// Forward passes over all rows of a step.
pub(crate) struct Passes<'a> {
    pub(crate) view: &'a StepView<'a>,
    pub(crate) micro_batch: MicroBatch,
    pub(crate) device: Device,
}

/// A model's answer to a batch.
pub(crate) type Ask<'a> = dyn Fn(&TokenBatch, &HeadQuery<'_>) -> Result<TokenStats, BoxError> + 'a;

impl Passes<'_> {
    /// Statistics of all rows, on the host.
    pub(crate) fn stats(&self, needs: Needs, ask: &Ask<'_>) -> Result<HostStats, BoxError> {
        let groups: Vec<usize> = (0..self.view.groups.len()).collect();
        let lengths: Vec<usize> = self.view.iter().map(|(_, _, c)| c.len()).collect();
        let mut host = HostStats::filled(needs, || lengths.iter().map(|n| vec![0.0; *n]).collect());
        for part in step_parts(self.view, &groups, Scope::Row, self.micro_batch)? {
            let batch = step_batch(self.view, &part, &self.device);
            let query = HeadQuery::new(needs, &batch.temperature);
            let lengths: Vec<usize> = part.iter().map(|row| lengths[*row]).collect();
            host = host.zip(ask(&batch.tokens, &query)?, |mut all: Vec<Vec<f32>>, tensor| {
                for (row, values) in part.iter().zip(padded::rows(tensor, &lengths)) {
                    all[*row] = values;
                }
                all
            });
        }
        Ok(host)
    }

    /// Rows as a column, with where they come from.
    pub(crate) fn column(&self, rows: Vec<Vec<f32>>, source: Source, version: u64) -> Ragged {
        let groups = self.view.groups;
        let mut temperatures = groups.iter().map(|group| group.request.params.temperature);
        let first = temperatures.next();
        let temperature = first.filter(|t| temperatures.all(|other| other == *t));
        Ragged::from_rows(rows, Provenance { source, version, temperature })
    }
}

/// Statistics of all rows on the host, in row order.
pub(crate) type HostStats = refire_objective::Stats<Vec<Vec<f32>>>;

/// The gradient of an objective over some groups of a step.
pub(crate) struct Gradient<'a> {
    pub(crate) policy: &'a mut dyn Policy,
    pub(crate) reference: Option<&'a dyn FrozenPolicy>,
    pub(crate) objective: &'a dyn Objective,
    pub(crate) micro_batch: MicroBatch,
    pub(crate) log_entropy: bool,
}

/// Looks at a micro-batch before its loss is computed.
pub(crate) type Look<'a> = dyn FnMut(&[usize], &StepBatch, &TokenStats, &mut Metrics) + 'a;

impl Gradient<'_> {
    /// Accumulates it, micro-batch by micro-batch. `complete` fills in targets that the step's view
    /// doesn't have.
    pub(crate) fn accumulate(
        &mut self,
        view: &StepView<'_>,
        context: &StepContext,
        groups: &[usize],
        complete: &dyn Fn(&[usize], &mut StepBatch),
        look: &mut Look<'_>,
    ) -> Result<Metrics, BoxError> {
        let device = self.policy.device();
        let mut metrics = Metrics::default();
        let mut needs = self.objective.needs();
        needs.entropy |= self.log_entropy;
        let parts = step_parts(view, groups, self.objective.scope(), self.micro_batch)?;
        let counts = counts(view, groups, parts.len());
        for part in parts {
            let mut batch = step_batch(view, &part, &device);
            complete(&part, &mut batch);
            let coefficients = self.objective.known_coefficients(&batch.targets, &counts);
            let query = HeadQuery {
                needs,
                temperature: &batch.temperature,
                reference: self.reference,
                coefficients: coefficients.as_ref(),
            };
            let report = self.policy.accumulate(&batch.tokens, &query, &mut |stats| {
                look(&part, &batch, &stats, &mut metrics);
                self.objective.loss(&stats, &batch.targets, context, &counts)
            })?;
            metrics.add(Metric::sum("loss", report.total));
            metrics.extend(report.metrics);
        }
        Ok(metrics)
    }
}

/// Counts over the rows of some groups.
pub(crate) fn counts(view: &StepView<'_>, groups: &[usize], micro_batches: usize) -> Counts {
    let ranges = view.group_rows();
    let masks = groups.iter().flat_map(|group| &view.mask[ranges[*group].clone()]);
    Counts::of(masks, micro_batches)
}

/// How far the engine's log-probabilities are from the trainer's on the same tokens, over rows that
/// an engine made: the step's first `own`.
pub(crate) fn gap(
    view: &StepView<'_>,
    own: usize,
    part: &[usize],
    batch: &StepBatch,
    stats: &TokenStats,
    metrics: &mut Metrics,
) {
    let all: Vec<_> = view.iter().collect();
    let lengths: Vec<usize> = part.iter().map(|row| all[*row].2.len()).collect();
    let ours = padded::rows(detached(&stats.logprobs), &lengths);
    let (mut sum, mut count, mut max) = (0.0, 0.0, 0.0_f64);
    for target in batch.tokens.targets.iter().filter(|target| part[target.row] < own) {
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
