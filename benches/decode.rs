//! Prefill and decode, in tokens per second.

#![allow(missing_docs)]

mod common;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use refire::model::{Decode, HostDecoder, KvCache, Work};

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

criterion_group!(benches, decode, prefill);
criterion_main!(benches);
