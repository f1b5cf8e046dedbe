//! A training step: forward, backward and optimiser, in tokens per second; the optimisers' part.

#![allow(missing_docs)]

mod common;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use refire::core::Needs;
use refire::model::{Learner, LearnerConfig, MuonConfig};
use refire::objective::{HeadQuery, Loss, Policy, TokenBatch};
use std::time::{Duration, Instant};

fn step(c: &mut Criterion) {
    let mut group = c.benchmark_group("train");
    group.sample_size(10);
    for (name, decoder) in common::shapes() {
        for shards in [1, 2] {
            let config = LearnerConfig { shards, ..LearnerConfig::default() };
            let mut learner = Learner::new(decoder.clone(), config);
            let batch = batch();
            let tokens = batch.targets.len();
            group.throughput(Throughput::Elements(tokens as u64));
            group.bench_function(BenchmarkId::new(name, format!("2x256, {shards} shards")), |b| {
                b.iter(|| {
                    accumulate(&mut learner, &batch);
                    update(&mut learner);
                });
            });
        }
    }
    group.finish();
}

/// The update alone, whatever the batch; of the small shape only, which keeps the bench short.
fn optimisers(c: &mut Criterion) {
    let mut group = c.benchmark_group("update");
    group.sample_size(10);
    for (name, decoder) in common::shapes().into_iter().take(1) {
        for (optimiser, muon) in [("adamw", None), ("muon", Some(MuonConfig::default()))] {
            let config = LearnerConfig { muon, shards: 2, ..LearnerConfig::default() };
            let mut learner = Learner::new(decoder.clone(), config);
            let batch = batch();
            group.bench_function(BenchmarkId::new(name, optimiser), |b| {
                b.iter_custom(|times| {
                    let mut taken = Duration::ZERO;
                    for _ in 0..times {
                        accumulate(&mut learner, &batch);
                        let start = Instant::now();
                        update(&mut learner);
                        taken += start.elapsed();
                    }
                    taken
                });
            });
        }
    }
    group.finish();
}

fn batch() -> TokenBatch {
    let row: Vec<u32> = (0..256).map(|i| i * 7 % 500).collect();
    TokenBatch::continuations([(&row[..1], &row[1..]); 2])
}

fn accumulate(learner: &mut Learner, batch: &TokenBatch) {
    let tokens = batch.targets.len() as f64;
    let query = HeadQuery::new(Needs::NONE, &[1.0; 2]);
    let report = learner.accumulate(batch, &query, &mut |stats| {
        Ok(Loss { total: stats.logprobs.sum() / -tokens, metrics: Vec::new() })
    });
    if let Err(error) = report {
        eprintln!("{error}");
    }
}

fn update(learner: &mut Learner) {
    if let Err(error) = learner.step(1e-5) {
        eprintln!("{error}");
    }
}

criterion_group!(benches, step, optimisers);
criterion_main!(benches);
