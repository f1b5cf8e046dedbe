//! Prefill, decode and whole completions, in tokens per second.

#![allow(missing_docs)]

mod common;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use refire::core::{BoxError, Flow, Prompt, Request, RolloutEngine, SamplingParams};
use refire::model::{Decode, HostDecoder, KvCache, Learner, LearnerConfig, Work};
use refire::sample::{Detokenize, EngineConfig, LocalEngine};
use std::sync::Arc;

fn forward(host: &HostDecoder, caches: &mut [KvCache], tokens: &[u32], logits: &mut [Vec<f32>]) {
    let pairs = caches.iter_mut().zip(logits);
    let mut work: Vec<Work<'_>> =
        pairs.map(|(cache, logits)| Work { tokens, cache, logits }).collect();
    if let Err(error) = host.forward(&mut work) {
        eprintln!("{error}");
    }
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.sample_size(10);
    for (name, decoder) in common::shapes() {
        let Ok(host) = HostDecoder::new(&decoder) else { continue };
        for rows in [1, 8, 32] {
            let mut caches: Vec<KvCache> = (0..rows).map(|_| host.cache(None, 128)).collect();
            let mut logits = vec![vec![0.0; host.vocab()]; rows];
            let prompt: Vec<u32> = (1..33).collect();
            forward(&host, &mut caches, &prompt, &mut logits);
            group.throughput(Throughput::Elements(rows as u64));
            group.bench_function(BenchmarkId::new(name, rows), |b| {
                b.iter(|| {
                    // Start over before the cache is full.
                    if caches[0].len() > 100 {
                        caches.iter_mut().for_each(|cache| cache.reset(None));
                        forward(&host, &mut caches, &prompt, &mut logits);
                    }
                    forward(&host, &mut caches, &[7], &mut logits);
                });
            });
        }
    }
    group.finish();
}

fn prefill(c: &mut Criterion) {
    let mut group = c.benchmark_group("prefill");
    group.sample_size(10);
    for (name, decoder) in common::shapes() {
        let Ok(host) = HostDecoder::new(&decoder) else { continue };
        let prompt: Vec<u32> = (1..129).collect();
        let mut caches = vec![host.cache(None, 128)];
        let mut logits = vec![vec![0.0; host.vocab()]];
        group.throughput(Throughput::Elements(prompt.len() as u64));
        group.bench_function(BenchmarkId::new(name, prompt.len()), |b| {
            b.iter(|| {
                caches[0].reset(None);
                forward(&host, &mut caches, &prompt, &mut logits);
            });
        });
    }
    group.finish();
}

struct NoText;

impl Detokenize for NoText {
    fn text(&self, _tokens: &[u32]) -> Result<String, BoxError> {
        Ok(String::new())
    }
    fn end_tokens(&self) -> &[u32] {
        &[]
    }
}

/// Completions of 16 tokens, with the draws: plain ones, and truncated ones.
fn generate(c: &mut Criterion) {
    let mut group = c.benchmark_group("generate");
    group.sample_size(10);
    let plain = SamplingParams { max_tokens: 16, ignore_end: true, ..Default::default() };
    let truncated = SamplingParams { top_k: Some(50), top_p: Some(0.9), ..plain.clone() };
    for (name, decoder) in common::shapes() {
        let learner = Learner::new(decoder, LearnerConfig::default());
        let made = LocalEngine::new(learner.handle(), Arc::new(NoText), EngineConfig::default());
        let Ok(mut engine) = made else { continue };
        for (kind, params) in [("plain", &plain), ("truncated", &truncated)] {
            for n in [1, 8, 32] {
                let prompt = Prompt { tokens: (1..33).collect(), ..Default::default() };
                let request = [Request { prompt, n, params: params.clone(), ..Default::default() }];
                group.throughput(Throughput::Elements(16 * n as u64));
                group.bench_function(BenchmarkId::new(format!("{name} {kind}"), n), |b| {
                    b.iter(|| engine.generate(&request, &mut |_| Flow::Continue));
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, decode, prefill, generate);
criterion_main!(benches);
