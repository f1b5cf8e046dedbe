//! A training step: forward, backward and optimiser, in tokens per second.

#![allow(missing_docs)]

mod common;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use refire::model::{Learner, LearnerConfig};
use refire::objective::{HeadQuery, Loss, Policy, TokenBatch};

fn step(c: &mut Criterion) {
    let mut group = c.benchmark_group("train");
    group.sample_size(10);
    for (name, decoder) in common::shapes() {
        for shards in [1, 2] {
            let config = LearnerConfig { shards, ..LearnerConfig::default() };
            let mut learner = Learner::new(decoder.clone(), config);
            let row: Vec<u32> = (0..256).map(|i| i * 7 % 500).collect();
            let rows = [(&row[..1], &row[1..]); 2];
            let batch = TokenBatch::continuations(rows);
            let tokens = batch.targets.len() as f64;
            let query = HeadQuery {
                needs: Default::default(),
                temperature: &[1.0; 2],
                reference: None,
                coefficients: None,
            };
            group.throughput(Throughput::Elements(tokens as u64));
            group.bench_function(BenchmarkId::new(name, format!("2x256, {shards} shards")), |b| {
                b.iter(|| {
                    let report = learner.accumulate(&batch, &query, &mut |stats| {
                        Ok(Loss { total: stats.logprobs.sum() / -tokens, metrics: Vec::new() })
                    });
                    let report = report.and_then(|_| learner.step(1e-5));
                    if let Err(error) = report {
                        eprintln!("{error}");
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, step);
criterion_main!(benches);
