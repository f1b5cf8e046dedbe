//! What must hold of the policy loss whatever the numbers are.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken test should fail")]

mod step;

use burn::tensor::{DType, Device, Tensor, TensorData};
use refire_core::{Metrics, Purpose, Stream};
use refire_grpo::loss::{ClipOptions, ClipRange, LossKind, RatioLevel};
use refire_grpo::{PolicyLoss, PolicyLossConfig};
use refire_objective::{
    Aggregation, Counts, Objective, RowCount, StepContext, Targets, TokenStats,
};

const ROWS: usize = 5;
const TIME: usize = 7;

/// All columns of a batch as host rows.
#[derive(Clone)]
struct Batch {
    ids: Vec<usize>,
    mask: Vec<Vec<f64>>,
    logprobs: Vec<Vec<f64>>,
    old: Option<Vec<Vec<f64>>>,
    reference: Vec<Vec<f64>>,
    behaviour: Vec<Vec<f64>>,
    advantages: Vec<Vec<f64>>,
    weights: Vec<Vec<f64>>,
    entropy: Vec<Vec<f64>>,
}

impl Batch {
    fn random() -> Self {
        let mut stream = Stream::new(7, Purpose::INIT, 0, 0, 0);
        let mut grid = |scale: f64, shift: f64| -> Vec<Vec<f64>> {
            let mut row = || (0..TIME).map(|_| scale * stream.normal() + shift).collect();
            (0..ROWS).map(|_| row()).collect()
        };
        let logprobs = grid(0.5, -2.0);
        let near = |noise: Vec<Vec<f64>>| {
            let rows = logprobs.iter().zip(noise);
            rows.map(|(l, n)| l.iter().zip(n).map(|(l, n)| l + n).collect()).collect()
        };
        // One row is empty, one has a hole.
        let lengths = [7, 3, 0, 5, 1];
        let visible = |row: usize, t: usize| t < lengths[row] && (row, t) != (3, 2);
        let mask = (0..ROWS).map(|r| (0..TIME).map(|t| f64::from(visible(r, t))).collect());
        Self {
            ids: (0..ROWS).collect(),
            mask: mask.collect(),
            old: Some(near(grid(0.3, 0.0))),
            reference: near(grid(0.5, 0.0)),
            behaviour: near(grid(0.3, 0.1)),
            advantages: grid(1.0, 0.0).iter().map(|row| vec![row[0]; TIME]).collect(),
            weights: grid(0.1, 1.0),
            entropy: grid(0.5, 2.0),
            logprobs,
        }
    }

    fn columns(&mut self) -> Vec<&mut Vec<Vec<f64>>> {
        let mut all = vec![
            &mut self.mask,
            &mut self.logprobs,
            &mut self.reference,
            &mut self.behaviour,
            &mut self.advantages,
            &mut self.weights,
            &mut self.entropy,
        ];
        all.extend(self.old.as_mut());
        all
    }

    fn rows(&self, rows: &[usize]) -> Self {
        let mut part = self.clone();
        for column in part.columns() {
            *column = rows.iter().map(|row| column[*row].clone()).collect();
        }
        part.ids = rows.iter().map(|row| self.ids[*row]).collect();
        part
    }

    /// Puts a value at every masked position of every column but the mask.
    fn poison(&mut self, value: f64) {
        let mask = self.mask.clone();
        for column in self.columns().into_iter().skip(1) {
            for (row, mask) in column.iter_mut().zip(&mask) {
                for (entry, _) in row.iter_mut().zip(mask).filter(|(_, m)| **m == 0.0) {
                    *entry = value;
                }
            }
        }
    }

    fn tensors(&self, dtype: DType) -> (TokenStats, Targets) {
        let device = Device::flex().autodiff();
        let tensor = |rows: &[Vec<f64>]| {
            let dims = [rows.len(), rows.first().map_or(1, Vec::len)];
            Tensor::<2>::from_data(TensorData::new(rows.concat(), dims), (&device, dtype))
        };
        let mut stats = TokenStats::from_logprobs(tensor(&self.logprobs).require_grad());
        stats.entropy = Some(tensor(&self.entropy).require_grad());
        let mut targets = Targets::new(tensor(&self.mask));
        targets.row_ids = self.ids.clone();
        targets.advantages = Some(tensor(&self.advantages));
        targets.old_logprobs = self.old.as_deref().map(tensor);
        targets.ref_logprobs = Some(tensor(&self.reference));
        targets.behaviour_logprobs = Some(tensor(&self.behaviour));
        targets.weights = Some(tensor(&self.weights));
        (stats, targets)
    }

    fn counts(&self, micro_batches: usize) -> Counts {
        let flags = self.mask.iter().map(|row| row.iter().map(|m| *m != 0.0).collect::<Vec<_>>());
        Counts::of(flags, micro_batches)
    }
}

struct Outcome {
    total: f64,
    /// One row of gradients per row of the batch: log-probabilities, then entropies.
    gradient: Vec<Vec<f64>>,
    metrics: Metrics,
}

fn flat(tensor: Tensor<2>) -> Vec<Vec<f64>> {
    let width = tensor.dims()[1];
    let all: Vec<f64> = tensor.into_data().iter::<f64>().collect();
    all.chunks(width).map(<[f64]>::to_vec).collect()
}

fn run(batch: &Batch, objective: &PolicyLoss, context: &StepContext, counts: &Counts) -> Outcome {
    let (stats, targets) = batch.tensors(DType::F64);
    let loss = objective.loss(&stats, &targets, context, counts).unwrap();
    let grads = loss.total.backward();
    let mut gradient = flat(stats.logprobs.grad(&grads).unwrap());
    let entropy = stats.entropy.and_then(|h| h.grad(&grads)).map(flat);
    for (row, more) in gradient.iter_mut().zip(entropy.into_iter().flatten()) {
        row.extend(more);
    }
    let mut metrics = Metrics::default();
    metrics.extend(loss.metrics);
    Outcome { total: loss.total.into_scalar::<f64>(), gradient, metrics }
}

/// One of each kind of setting.
fn configs() -> Vec<PolicyLossConfig> {
    let base = PolicyLossConfig::default();
    let clip = ClipOptions { clip_range: ClipRange::default(), ..ClipOptions::default() };
    let by_row = Aggregation::seq_mean_token_mean;
    vec![
        base.clone(),
        PolicyLossConfig { kl_beta: 0.1, aggregation: by_row(RowCount::All), ..base.clone() },
        PolicyLossConfig {
            kl_beta: 0.1,
            kl_bias_correction: true,
            aggregation: by_row(RowCount::NonEmpty),
            ..base.clone()
        },
        PolicyLossConfig {
            ratio: RatioLevel::Sequence,
            surrogate: LossKind::PpoClip(ClipOptions::range(0.01, 0.01)),
            aggregation: Aggregation::SeqMeanTokenSum { rows: RowCount::NonEmpty },
            ..base.clone()
        },
        PolicyLossConfig {
            surrogate: LossKind::PpoClip(ClipOptions { dual_clip: Some(1.1), ..clip }),
            entropy_coef: 0.01,
            aggregation: Aggregation::SumNorm { length: 9.0, per_row: true },
            ..base.clone()
        },
        PolicyLossConfig {
            surrogate: LossKind::PpoClip(ClipOptions { delta: Some(1.3), ..clip }),
            entropy_coef: 0.01,
            top_entropy: Some(0.4),
            off_policy_threshold: Some(0.05),
            ..base
        },
    ]
}

fn prepared(config: &PolicyLossConfig, batch: &Batch) -> (PolicyLoss, StepContext) {
    let mut objective = config.build().unwrap();
    let (stats, targets) = batch.tensors(DType::F64);
    let context = step::prepare(&mut objective, &stats, &targets);
    (objective, context)
}

fn whole(config: &PolicyLossConfig, batch: &Batch) -> Outcome {
    let (objective, context) = prepared(config, batch);
    run(batch, &objective, &context, &batch.counts(1))
}

fn same(a: &[Vec<f64>], b: &[Vec<f64>], what: &str) {
    let (a, b) = (a.concat(), b.concat());
    assert_eq!(a.len(), b.len(), "{what}");
    for (x, y) in a.iter().zip(&b) {
        assert!((x - y).abs() <= 1e-12, "{what}: {x} and {y}");
    }
}

#[test]
fn splitting_a_step_changes_nothing() {
    let batch = Batch::random();
    for config in configs() {
        let expected = whole(&config, &batch);
        assert!(expected.gradient.concat().iter().any(|g| *g != 0.0));
        for size in [1, 2, 3] {
            let (objective, context) = prepared(&config, &batch);
            let rows: Vec<usize> = (0..ROWS).collect();
            let counts = batch.counts(rows.chunks(size).len());
            let parts =
                rows.chunks(size).map(|r| run(&batch.rows(r), &objective, &context, &counts));
            let (mut total, mut gradient, mut metrics) = (0.0, Vec::new(), Metrics::default());
            for part in parts {
                total += part.total;
                gradient.extend(part.gradient);
                metrics.extend(part.metrics);
            }
            let what = format!("{config:?} in parts of {size}");
            assert!((total - expected.total).abs() < 1e-12, "{what}");
            same(&gradient, &expected.gradient, &what);
            for (name, value) in expected.metrics.iter() {
                let gap = (metrics.get(name).unwrap() - value).abs();
                assert!(gap < 1e-12, "{what}: {name}");
            }
        }
    }
}

#[test]
fn micro_batches_of_local_means_average() {
    let config =
        PolicyLossConfig { aggregation: Aggregation::TokenMeanLocal, ..Default::default() };
    let batch = Batch::random();
    let (objective, context) = prepared(&config, &batch);
    let parts = [batch.rows(&[0, 1]), batch.rows(&[3, 4])];
    let alone = parts.clone().map(|part| whole(&config, &part).total);
    let counts = batch.counts(2);
    let shares = parts.map(|part| run(&part, &objective, &context, &counts).total);
    let gap = shares.iter().sum::<f64>() - alone.iter().sum::<f64>() / 2.0;
    assert!(gap.abs() < 1e-12);
}

#[test]
fn padding_changes_nothing() {
    let batch = Batch::random();
    let mut padded = batch.clone();
    for column in padded.columns() {
        column.iter_mut().for_each(|row| row.extend([0.0; 3]));
    }
    for config in configs() {
        let (short, long) = (whole(&config, &batch), whole(&config, &padded));
        assert!((short.total - long.total).abs() < 1e-12, "{config:?}");
        let cut = |rows: Vec<Vec<f64>>| -> Vec<Vec<f64>> {
            rows.into_iter().map(|row| row[..TIME].to_vec()).collect()
        };
        same(&cut(short.gradient), &cut(long.gradient), &format!("{config:?}"));
    }
}

#[test]
fn the_order_of_rows_changes_nothing() {
    let batch = Batch::random();
    let order = [3, 0, 4, 2, 1];
    for config in configs() {
        let (objective, context) = prepared(&config, &batch);
        let counts = batch.counts(1);
        let straight = run(&batch, &objective, &context, &counts);
        let shuffled = run(&batch.rows(&order), &objective, &context, &counts);
        assert!((straight.total - shuffled.total).abs() < 1e-12, "{config:?}");
        let moved: Vec<Vec<f64>> = order.iter().map(|r| straight.gradient[*r].clone()).collect();
        same(&moved, &shuffled.gradient, &format!("{config:?}"));
    }
}

#[test]
fn masked_positions_have_no_influence() {
    let batch = Batch::random();
    for poison in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e6] {
        let mut poisoned = batch.clone();
        poisoned.poison(poison);
        for config in configs() {
            let what = format!("{poison} under {config:?}");
            let (clean, dirty) = (whole(&config, &batch), whole(&config, &poisoned));
            assert_eq!(clean.total, dirty.total, "{what}");
            same(&clean.gradient, &dirty.gradient, &what);
            assert_eq!(clean.metrics, dirty.metrics, "{what}");
        }
    }
}

#[test]
fn a_batch_without_tokens_is_zero_with_a_gradient() {
    let mut batch = Batch::random();
    batch.mask.iter_mut().for_each(|row| row.fill(0.0));
    batch.poison(f64::NAN);
    for mut config in configs() {
        for aggregation in [config.aggregation, Aggregation::TokenMeanLocal] {
            config.aggregation = aggregation;
            let outcome = whole(&config, &batch);
            assert_eq!(outcome.total, 0.0, "{config:?}");
            assert!(outcome.gradient.concat().iter().all(|g| *g == 0.0), "{config:?}");
        }
    }
}

#[test]
fn a_batch_without_rows_is_zero() {
    let batch = Batch::random();
    for config in configs() {
        let (objective, context) = prepared(&config, &batch);
        let outcome = run(&batch.rows(&[]), &objective, &context, &batch.counts(1));
        assert_eq!((outcome.total, outcome.gradient.len()), (0.0, 0), "{config:?}");
    }
}

#[test]
fn on_policy_the_gradient_is_known_beforehand() {
    let mut batch = Batch::random();
    batch.old = None;
    batch.poison(f64::NAN);
    let aggregations = [
        Aggregation::TokenMean,
        Aggregation::seq_mean_token_mean(RowCount::All),
        Aggregation::SumNorm { length: 9.0, per_row: true },
    ];
    for aggregation in aggregations {
        let config = PolicyLossConfig { aggregation, ..Default::default() };
        let objective = config.build().unwrap();
        let (_, targets) = batch.tensors(DType::F64);
        let known = objective.known_coefficients(&targets, &batch.counts(1)).unwrap();
        same(&flat(known), &whole(&config, &batch).gradient, &format!("{config:?}"));
    }
}

#[test]
fn coefficients_are_not_known_where_they_depend_on_the_statistics() {
    let off_policy = Batch::random();
    let on_policy = Batch { old: None, ..off_policy.clone() };
    let known = |batch: &Batch, config: &PolicyLossConfig| {
        let (_, targets) = batch.tensors(DType::F64);
        config.build().unwrap().known_coefficients(&targets, &batch.counts(1)).is_some()
    };
    assert!(known(&on_policy, &configs()[0]));
    assert!(!known(&off_policy, &configs()[0]));
    assert!(configs()[1..].iter().all(|c| !known(&on_policy, c)));
}

#[test]
fn in_32_bits_splitting_changes_little() {
    let batch = Batch::random();
    let config = PolicyLossConfig { kl_beta: 0.04, ..Default::default() };
    let objective = config.build().unwrap();
    let gradient = |part: &Batch| {
        let (stats, targets) = part.tensors(DType::F32);
        let context = StepContext::empty();
        let loss = objective.loss(&stats, &targets, &context, &batch.counts(1)).unwrap();
        flat(stats.logprobs.grad(&loss.total.backward()).unwrap()).concat()
    };
    let parts = (0..ROWS).flat_map(|row| gradient(&batch.rows(&[row])));
    for (ours, whole) in parts.zip(gradient(&batch)) {
        assert!((ours - whole).abs() < 1e-5);
    }
}

#[test]
fn what_is_missing_or_misshapen_is_named() {
    let batch = Batch::random();
    let counts = batch.counts(1);
    let error = |config: &PolicyLossConfig, change: fn(&mut TokenStats, &mut Targets)| {
        let (objective, context) = prepared(config, &batch);
        let (mut stats, mut targets) = batch.tensors(DType::F64);
        change(&mut stats, &mut targets);
        objective.loss(&stats, &targets, &context, &counts).unwrap_err().to_string()
    };
    let all = configs();
    assert!(error(&all[0], |_, t| t.advantages = None).contains("advantages"));
    assert!(error(&all[1], |_, t| t.ref_logprobs = None).contains("ref_logprobs"));
    assert!(error(&all[4], |s, _| s.entropy = None).contains("entropy"));
    let narrow = |_: &mut TokenStats, t: &mut Targets| {
        t.old_logprobs = t.old_logprobs.take().map(|old| old.narrow(1, 0, 2));
    };
    assert!(error(&all[0], narrow).contains("old_logprobs"));
    assert!(error(&all[5], |_, t| t.row_ids[0] = 99).contains("99"));
    let (objective, _) = prepared(&all[5], &batch);
    let (stats, targets) = batch.tensors(DType::F64);
    assert!(objective.loss(&stats, &targets, &StepContext::empty(), &counts).is_err());
}
