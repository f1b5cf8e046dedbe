//! Random steps of judged completions, and objectives run on parts of them.
#![allow(dead_code, reason = "several tests share this, each uses its part")]

use burn::tensor::{DType, Device, Tensor, TensorData};
use refire_core::{Metrics, Purpose, Stream};
use refire_dpo::{PreferenceStep, StepRow};
use refire_objective::{Counts, Objective, StepContext, Targets, TokenStats};

pub(crate) fn device() -> Device {
    Device::flex().autodiff()
}

pub(crate) fn host<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.clone().detach().into_data().iter::<f64>().collect()
}

/// One completion.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) group: usize,
    pub(crate) label: f64,
    pub(crate) margin: f64,
    pub(crate) weight: f64,
    pub(crate) mask: Vec<bool>,
    pub(crate) logprobs: Vec<f64>,
    pub(crate) ref_logprobs: Vec<f64>,
    pub(crate) sum_sq: Vec<f64>,
}

impl Row {
    fn sum(&self, column: &[f64]) -> f64 {
        column.iter().zip(&self.mask).filter(|(_, m)| **m).map(|(x, _)| x).sum()
    }

    pub(crate) fn tokens(&self) -> usize {
        self.mask.iter().filter(|m| **m).count()
    }
}

/// All rows of a step. Rows of the same group are neighbours.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) rows: Vec<Row>,
    /// Log-probabilities of mismatched rows: policy and reference.
    pub(crate) probes: Vec<(f64, f64)>,
}

impl World {
    /// Groups of `siblings` rows, the first of each chosen; the others' labels are 0.
    pub(crate) fn new(seed: u64, groups: usize, siblings: usize) -> Self {
        let mut draws = Stream::new(seed, Purpose::named("world"), 0, 0, 0);
        let mut rows = Vec::new();
        for group in 0..groups {
            for sibling in 0..siblings {
                let length = 1 + draws.below(5);
                let mut mask: Vec<bool> = (0..length).map(|_| draws.uniform() < 0.8).collect();
                if sibling == 0 {
                    mask[0] = true;
                }
                let mut column = |scale: f64| -> Vec<f64> {
                    (0..length).map(|_| -scale * draws.uniform() - 0.01).collect()
                };
                let (logprobs, ref_logprobs) = (column(3.0), column(3.0));
                let sum_sq = column(0.5).iter().map(|x| -x).collect();
                let (label, margin) = (f64::from(u8::from(sibling == 0)), draws.normal());
                let weight = 0.5 + draws.uniform();
                rows.push(Row {
                    group,
                    label,
                    margin,
                    weight,
                    mask,
                    logprobs,
                    ref_logprobs,
                    sum_sq,
                });
            }
        }
        let probes = (0..3).map(|_| (-draws.uniform(), -1.0 - draws.uniform())).collect();
        Self { rows, probes }
    }

    pub(crate) fn step(&self) -> PreferenceStep {
        let row = |row: &Row| StepRow {
            group: row.group,
            label: Some(row.label),
            tokens: row.tokens(),
            logps: Some(row.sum(&row.logprobs)),
            ref_logps: Some(row.sum(&row.ref_logprobs)),
        };
        let probe = |(at, (policy, reference)): (usize, &(f64, f64))| StepRow {
            group: 1_000 + at,
            logps: Some(*policy),
            ref_logps: Some(*reference),
            ..StepRow::default()
        };
        let probes = self.probes.iter().enumerate().map(probe);
        PreferenceStep { rows: self.rows.iter().map(row).chain(probes).collect() }
    }

    pub(crate) fn counts(&self, micro_batches: usize) -> Counts {
        Counts::of(self.rows.iter().map(|row| row.mask.clone()), micro_batches)
    }
}

/// How a part of a step becomes a micro-batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Columns beyond the longest row.
    pub(crate) padding: usize,
    /// What stands at masked positions of every column.
    pub(crate) junk: Option<f64>,
    pub(crate) weighted: bool,
}

pub(crate) const PLAIN: Layout = Layout { padding: 0, junk: None, weighted: false };

/// Loss, metrics, and each token's gradient by row.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) total: f64,
    pub(crate) gradient: Vec<(usize, Vec<f64>)>,
    pub(crate) metrics: Metrics,
}

/// Runs an objective on some rows of a step.
pub(crate) fn run(
    world: &World,
    places: &[usize],
    counts: &Counts,
    objective: &dyn Objective,
    context: &StepContext,
    layout: Layout,
) -> Outcome {
    let device = device();
    let rows: Vec<&Row> = places.iter().map(|place| &world.rows[*place]).collect();
    let width = rows.iter().map(|row| row.mask.len()).max().unwrap_or(0) + layout.padding;
    let width = width.max(1);
    let grid = |read: &dyn Fn(&Row) -> Vec<f64>| {
        let mut values = Vec::new();
        for row in &rows {
            let column = read(row);
            for at in 0..width {
                let visible = row.mask.get(at).copied().unwrap_or(false);
                let value = column.get(at).copied().unwrap_or(0.0);
                values.push(if visible { value } else { layout.junk.unwrap_or(value) });
            }
        }
        let data = TensorData::new(values, [rows.len(), width]);
        Tensor::<2>::from_data(data, (&device, DType::F64))
    };
    let mask = |row: &Row| row.mask.iter().map(|m| f64::from(u8::from(*m))).collect();
    let plain = Layout { junk: None, ..layout };
    let mask = {
        let values = rows.iter().flat_map(|row| {
            let mut values: Vec<f64> = mask(row);
            values.resize(width, 0.0);
            values
        });
        let data = TensorData::new(values.collect::<Vec<f64>>(), [rows.len(), width]);
        Tensor::<2>::from_data(data, (&device, DType::F64))
    };
    let logprobs = grid(&|row| row.logprobs.clone()).require_grad();
    let mut stats = TokenStats::from_logprobs(logprobs.clone());
    stats.sum_sq = Some(grid(&|row| row.sum_sq.clone()));
    stats.entropy = Some(grid(&|row| row.sum_sq.clone()));
    let mut targets = Targets::new(mask);
    targets.row_ids = places.to_vec();
    targets.groups = rows.iter().map(|row| row.group).collect();
    targets.labels = Some(rows.iter().map(|row| row.label).collect());
    targets.margins = Some(rows.iter().map(|row| row.margin).collect());
    targets.ref_logprobs = Some(grid(&|row| row.ref_logprobs.clone()));
    if plain.weighted {
        targets.weights = Some(grid(&|row| vec![row.weight; row.mask.len()]));
    }
    let loss = objective.loss(&stats, &targets, context, counts).unwrap();
    let total = host(&loss.total)[0];
    let gradient = logprobs.grad(&loss.total.backward()).unwrap();
    let gradient = host(&gradient);
    let gradient = places
        .iter()
        .zip(gradient.chunks(width))
        .map(|(place, row)| (*place, row[..world.rows[*place].mask.len()].to_vec()))
        .collect();
    let mut metrics = Metrics::default();
    metrics.extend(loss.metrics);
    Outcome { total, gradient, metrics }
}

/// Gradients by row, in row order.
pub(crate) fn sorted(outcomes: &[Outcome]) -> Vec<(usize, Vec<f64>)> {
    let mut all: Vec<_> = outcomes.iter().flat_map(|o| o.gradient.clone()).collect();
    all.sort_by_key(|(row, _)| *row);
    all
}

pub(crate) fn close(ours: &[(usize, Vec<f64>)], theirs: &[(usize, Vec<f64>)], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for ((row, a), (_, b)) in ours.iter().zip(theirs) {
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= 1e-10 + 1e-10 * b.abs(), "{what}, row {row}: {a}, {b}");
        }
    }
}
