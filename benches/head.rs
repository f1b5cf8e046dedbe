//! The chunked head against plain logits under autodiff: time, and peak memory beyond the inputs.

#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use peak_alloc::PeakAlloc;
use refire::burn::tensor::{Device, Distribution, Int, Tensor, activation::log_softmax};
use refire::core::Needs;
use refire::objective::head::{Head, HeadLayer, HeadStats};
use std::hint::black_box;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ROWS: usize = 2048;

/// Hidden states, the head's weight and labels.
struct Case {
    hidden: Tensor<2>,
    weight: Tensor<2>,
    labels: Vec<u32>,
}

impl Case {
    fn new(vocab: usize, width: usize) -> Self {
        let random = |rows| {
            Tensor::<2>::random([rows, width], Distribution::Normal(0.0, 0.1), &Device::flex())
        };
        let labels = (0..ROWS as u32).map(|i| i * 31 % vocab as u32).collect();
        Self { hidden: random(ROWS), weight: random(vocab), labels }
    }

    fn head(&self) -> Head<'_> {
        let layer = HeadLayer::new(self.weight.clone());
        Head::new(self.hidden.clone(), layer, &self.labels, &[1.0; ROWS])
    }

    fn two_walks(&self) {
        let ones = HeadStats::from_logprobs(Tensor::ones([ROWS], &Device::flex()));
        let head = self.head();
        let _ = black_box(
            head.stats(Needs::NONE).and_then(|_| head.backward(Needs::NONE, &ones, true)),
        );
    }

    fn one_walk(&self) {
        let ones = Tensor::ones([ROWS], &Device::flex());
        let _ = black_box(self.head().stats_and_grads(Needs::NONE, &ones, true));
    }

    fn plain(&self) {
        let leaf = |t: &Tensor<2>| Tensor::from_inner(t.clone()).require_grad();
        let (hidden, weight) = (leaf(&self.hidden), leaf(&self.weight));
        let labels: Vec<i64> = self.labels.iter().map(|l| i64::from(*l)).collect();
        let labels = Tensor::<1, Int>::from_data(labels.as_slice(), &Device::flex());
        let logits = hidden.matmul(weight.transpose());
        let logprobs = log_softmax(logits, 1).gather(1, labels.reshape([ROWS, 1]));
        black_box(logprobs.sum().backward());
    }
}

type Variant = (&'static str, fn(&Case));

const VARIANTS: [Variant; 3] =
    [("two walks", Case::two_walks), ("one walk", Case::one_walk), ("plain", Case::plain)];

fn head(c: &mut Criterion) {
    let mut group = c.benchmark_group("head");
    group.sample_size(10);
    for (shape, vocab, width) in [("1M", 512, 160), ("135M", 49_152, 576)] {
        let case = Case::new(vocab, width);
        for (variant, work) in VARIANTS {
            let before = MEMORY.current_usage();
            MEMORY.reset_peak_usage();
            work(&case);
            let peak = MEMORY.peak_usage().saturating_sub(before) as f64 / f64::from(1 << 20);
            println!("head/{variant}/{shape}: peak memory {peak:.1} MiB over {ROWS} rows");
            group.bench_function(BenchmarkId::new(variant, shape), |b| b.iter(|| work(&case)));
        }
    }
    group.finish();
}

criterion_group!(benches, head);
criterion_main!(benches);
