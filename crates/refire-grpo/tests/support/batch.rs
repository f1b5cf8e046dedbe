use super::step;
use burn::tensor::{DType, Device, Tensor, TensorData};
use refire_core::{Metrics, Purpose, Stream};
use refire_grpo::{PolicyLoss, PolicyLossConfig};
use refire_objective::{Counts, Objective, StepContext, Targets, TokenStats};

pub(crate) type Rows = Vec<Vec<f64>>;

/// All columns of a batch as host rows.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) ids: Vec<usize>,
    pub(crate) groups: Vec<usize>,
    pub(crate) mask: Rows,
    pub(crate) logprobs: Rows,
    pub(crate) old: Option<Rows>,
    pub(crate) reference: Rows,
    pub(crate) behaviour: Rows,
    pub(crate) advantages: Rows,
    pub(crate) weights: Rows,
    pub(crate) entropy: Rows,
}

impl Batch {
    /// Rows in groups of two or three; some end early, some are empty, some have holes.
    pub(crate) fn random(seed: u64, rows: usize, time: usize) -> Self {
        let mut stream = Stream::new(seed, Purpose::INIT, 0, 0, 0);
        let mut lengths = Vec::new();
        let mask: Rows = (0..rows)
            .map(|_| {
                let length = stream.below(time + 1);
                lengths.push(length);
                let visible = |t: usize, draw: f64| f64::from(t < length && draw < 0.85);
                (0..time).map(|t| visible(t, stream.uniform())).collect()
            })
            .collect();
        let mut grid = |scale: f64, shift: f64| -> Rows {
            let mut row = || (0..time).map(|_| scale * stream.normal() + shift).collect();
            (0..rows).map(|_| row()).collect()
        };
        let logprobs: Rows =
            grid(0.7, -1.5).iter().map(|row| row.iter().map(|l| l.min(-0.05)).collect()).collect();
        let near = |noise: Rows| -> Rows {
            let rows = logprobs.iter().zip(noise);
            rows.map(|(l, n)| l.iter().zip(n).map(|(l, n)| l + n).collect()).collect()
        };
        Self {
            ids: (0..rows).collect(),
            groups: (0..rows).map(|row| row / 3).collect(),
            mask,
            old: Some(near(grid(0.4, 0.0))),
            reference: near(grid(0.5, 0.0)),
            behaviour: near(grid(0.4, 0.1)),
            advantages: grid(1.0, 0.0).iter().map(|row| vec![row[0]; time]).collect(),
            weights: grid(0.1, 1.0),
            entropy: grid(0.5, 2.0),
            logprobs,
        }
    }

    /// As many tokens as there is room for.
    pub(crate) fn full(mut self) -> Self {
        self.mask.iter_mut().for_each(|row| row.fill(1.0));
        self
    }

    pub(crate) fn on_policy(mut self) -> Self {
        self.old = Some(self.logprobs.clone());
        self.behaviour = self.logprobs.clone();
        self
    }

    pub(crate) fn width(&self) -> usize {
        self.mask.first().map_or(1, Vec::len)
    }

    pub(crate) fn columns(&mut self) -> Vec<&mut Rows> {
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

    pub(crate) fn rows(&self, rows: &[usize]) -> Self {
        let mut part = self.clone();
        for column in part.columns() {
            *column = rows.iter().map(|row| column[*row].clone()).collect();
        }
        part.ids = rows.iter().map(|row| self.ids[*row]).collect();
        part.groups = rows.iter().map(|row| self.groups[*row]).collect();
        part
    }

    /// Puts a value at every masked position of every column but the mask.
    pub(crate) fn poison(&mut self, value: f64) {
        let mask = self.mask.clone();
        for column in self.columns().into_iter().skip(1) {
            for (row, mask) in column.iter_mut().zip(&mask) {
                for (entry, _) in row.iter_mut().zip(mask).filter(|(_, m)| **m == 0.0) {
                    *entry = value;
                }
            }
        }
    }

    pub(crate) fn flags(&self) -> Vec<Vec<bool>> {
        self.mask.iter().map(|row| row.iter().map(|m| *m != 0.0).collect()).collect()
    }

    pub(crate) fn tensors(&self, dtype: DType) -> (TokenStats, Targets) {
        let device = Device::flex().autodiff();
        let tensor = |rows: &[Vec<f64>]| {
            let dims = [rows.len(), rows.first().map_or(1, Vec::len)];
            Tensor::<2>::from_data(TensorData::new(rows.concat(), dims), (&device, dtype))
        };
        let mut stats = TokenStats::from_logprobs(tensor(&self.logprobs).require_grad());
        stats.entropy = Some(tensor(&self.entropy).require_grad());
        let mut targets = Targets::new(tensor(&self.mask));
        targets.row_ids = self.ids.clone();
        targets.groups = self.groups.clone();
        targets.advantages = Some(tensor(&self.advantages));
        targets.old_logprobs = self.old.as_deref().map(tensor);
        targets.ref_logprobs = Some(tensor(&self.reference));
        targets.behaviour_logprobs = Some(tensor(&self.behaviour));
        targets.weights = Some(tensor(&self.weights));
        (stats, targets)
    }

    pub(crate) fn counts(&self, micro_batches: usize) -> Counts {
        Counts::of(self.flags(), micro_batches)
    }

    /// Loss, gradient and metrics as one micro-batch of a step.
    pub(crate) fn run(&self, loss: &PolicyLoss, context: &StepContext, counts: &Counts) -> Outcome {
        let (stats, targets) = self.tensors(DType::F64);
        let loss = loss.loss(&stats, &targets, context, counts).unwrap();
        let grads = loss.total.backward();
        let mut gradient = flat(stats.logprobs.grad(&grads).unwrap());
        let logprobs = gradient.clone();
        let entropy = stats.entropy.and_then(|h| h.grad(&grads)).map(flat);
        for (row, more) in gradient.iter_mut().zip(entropy.into_iter().flatten()) {
            row.extend(more);
        }
        let mut metrics = Metrics::default();
        metrics.extend(loss.metrics);
        Outcome { total: loss.total.into_scalar::<f64>(), gradient, logprobs, metrics }
    }
}

pub(crate) struct Outcome {
    pub(crate) total: f64,
    /// One row of gradients per row of the batch: log-probabilities, then entropies.
    pub(crate) gradient: Rows,
    /// Those of the log-probabilities alone.
    pub(crate) logprobs: Rows,
    pub(crate) metrics: Metrics,
}

pub(crate) fn flat(tensor: Tensor<2>) -> Rows {
    let width = tensor.dims()[1];
    let all: Vec<f64> = tensor.into_data().iter::<f64>().collect();
    all.chunks(width).map(<[f64]>::to_vec).collect()
}

/// The objective and what it learned from a step that is this batch.
pub(crate) fn prepared(config: &PolicyLossConfig, batch: &Batch) -> (PolicyLoss, StepContext) {
    let mut objective = config.build().unwrap();
    let context = step::prepare(&mut objective, batch);
    (objective, context)
}

/// The batch as a whole step.
pub(crate) fn whole(config: &PolicyLossConfig, batch: &Batch) -> Outcome {
    let (objective, context) = prepared(config, batch);
    batch.run(&objective, &context, &batch.counts(1))
}

/// Whether two tables of numbers agree, relative to the larger of 1 and the number.
pub(crate) fn gap(a: &Rows, b: &Rows) -> f64 {
    let (a, b) = (a.concat(), b.concat());
    assert_eq!(a.len(), b.len());
    let gaps =
        a.iter().zip(&b).map(|(x, y)| if x == y { 0.0 } else { (x - y).abs() / y.abs().max(1.0) });
    gaps.fold(0.0, |worst: f64, gap| if gap.is_nan() { f64::INFINITY } else { worst.max(gap) })
}
