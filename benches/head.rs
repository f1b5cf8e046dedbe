//! The chunked head against plain logits under autodiff: time; `head_memory` in the docs tells
//! how the peak memory was measured.

#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use refire::burn::tensor::{Device, Distribution, Int, Tensor, activation::log_softmax};
use refire::core::Needs;
use refire::objective::head::{Head, HeadStats, chunk_rows};

const ROWS: usize = 512;

fn head(c: &mut Criterion) {
    let device = Device::flex();
    let mut group = c.benchmark_group("head");
    group.sample_size(10);
    for (name, vocab, width) in [("1M", 512, 160), ("135M", 49_152, 576)] {
        let random =
            |rows| Tensor::<2>::random([rows, width], Distribution::Normal(0.0, 0.1), &device);
        let (hidden, weight) = (random(ROWS), random(vocab));
        let labels: Vec<u32> = (0..ROWS as u32).map(|i| i * 31 % vocab as u32).collect();
        group.bench_function(BenchmarkId::new("chunked", name), |b| {
            b.iter(|| {
                let head = Head {
                    hidden: hidden.clone(),
                    weight: weight.clone(),
                    labels: &labels,
                    temperature: &[1.0; ROWS],
                    chunk_rows: chunk_rows(vocab),
                };
                let stats = head.stats(Needs::NONE);
                let ones = HeadStats::from_logprobs(Tensor::ones([ROWS], &device));
                stats.and_then(|_| head.backward(&ones, true))
            });
        });
        group.bench_function(BenchmarkId::new("chunked, one walk", name), |b| {
            let ones = Tensor::ones([ROWS], &device);
            b.iter(|| {
                let head = Head {
                    hidden: hidden.clone(),
                    weight: weight.clone(),
                    labels: &labels,
                    temperature: &[1.0; ROWS],
                    chunk_rows: chunk_rows(vocab),
                };
                head.stats_and_grads(Needs::NONE, &ones, true)
            });
        });
        let ids: Vec<i64> = labels.iter().map(|l| i64::from(*l)).collect();
        let ids = Tensor::<1, Int>::from_data(ids.as_slice(), &device).reshape([ROWS, 1]);
        group.bench_function(BenchmarkId::new("plain", name), |b| {
            b.iter(|| {
                let leaf = |t: &Tensor<2>| Tensor::from_inner(t.clone()).require_grad();
                let (hidden, weight) = (leaf(&hidden), leaf(&weight));
                let logits = hidden.matmul(weight.transpose());
                log_softmax(logits, 1).gather(1, ids.clone()).sum().backward()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, head);
criterion_main!(benches);
