//! A training step of an adapter: over whole weights, and over weights in 4 bits.

#![allow(missing_docs)]

mod common;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use refire::core::Needs;
use refire::model::{Decoder, Learner, LearnerConfig, LoraConfig, ModelError};
use refire::objective::{HeadQuery, Loss, Policy, TokenBatch};

fn step(c: &mut Criterion) {
    let mut group = c.benchmark_group("adapter");
    group.sample_size(10);
    for (name, decoder) in common::shapes() {
        for (kind, learner) in [("lora", lora(decoder.clone())), ("qlora", qlora(decoder))] {
            let mut learner = match learner {
                Ok(learner) => learner,
                Err(error) => {
                    eprintln!("{kind}: {error}");
                    continue;
                }
            };
            let batch = batch();
            group.throughput(Throughput::Elements(batch.targets.len() as u64));
            group.bench_function(BenchmarkId::new(name, format!("{kind}, 2x256")), |b| {
                b.iter(|| {
                    if let Err(error) = train(&mut learner, &batch) {
                        eprintln!("{error}");
                    }
                });
            });
        }
    }
    group.finish();
}

fn lora(decoder: Decoder) -> Result<Learner, ModelError> {
    let config = LoraConfig { r: 16, ..LoraConfig::default() };
    Ok(Learner::new(decoder.with_lora(&config, 0)?, LearnerConfig::default()))
}

fn qlora(decoder: Decoder) -> Result<Learner, ModelError> {
    let before = decoder.weight_bytes();
    let packed = decoder.quantized()?;
    println!("weights of the layers: {before} bytes in 32 bits, {} in 4", packed.weight_bytes());
    lora(packed)
}

fn batch() -> TokenBatch {
    let row: Vec<u32> = (0..256).map(|i| i * 7 % 500).collect();
    TokenBatch::continuations([(&row[..1], &row[1..]); 2])
}

fn train(learner: &mut Learner, batch: &TokenBatch) -> Result<(), refire::core::BoxError> {
    let tokens = batch.targets.len() as f64;
    let query = HeadQuery::new(Needs::NONE, &[1.0; 2]);
    learner.accumulate(batch, &query, &mut |stats| {
        Ok(Loss { total: stats.logprobs.sum() / -tokens, metrics: Vec::new() })
    })?;
    learner.step(1e-5)?;
    Ok(())
}

criterion_group!(benches, step);
criterion_main!(benches);
