//! Speed of the parts that see every document, in documents a second on one thread.
//!
//! The group `corpus` is over the reference corpus of 20,000 documents of about 215 words, and does
//! the work of `benches/peers/data/run.py`: it needs `REFIRE_TEST_DATA` and a python3.
#![allow(clippy::unwrap_used)]

#[path = "../tests/common/planted.rs"]
#[allow(dead_code, reason = "what is planted where is read by the tests")]
mod planted;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use refire_core::{Purpose, Stream};
use refire_data::{
    Cot, DecontaminationConfig, Decontaminator, ExactDedup, NearConfig, NearDedup, Permutation,
    Strategy, Trace, Words, find_loop, near_duplicates, pack,
};
use std::hint::black_box;

/// Documents of about 200 made-up words, a tenth of them copies.
fn documents(n: usize) -> Vec<String> {
    let mut draw = Stream::new(1, Purpose::named("bench"), 0, 0, 0);
    let mut documents: Vec<String> = Vec::new();
    for _ in 0..n {
        if !documents.is_empty() && draw.uniform() < 0.1 {
            documents.push(documents[draw.below(documents.len())].clone());
            continue;
        }
        let words = (0..100 + draw.below(200)).map(|_| {
            // Small numbers are frequent, as small words are.
            let rank = (draw.uniform().powi(4) * 30_000.0) as usize;
            format!("w{rank:x}")
        });
        documents.push(words.collect::<Vec<_>>().join(" "));
    }
    documents
}

fn text(criterion: &mut Criterion) {
    let documents = documents(2_000);
    let mut group = criterion.benchmark_group("documents");
    group.throughput(Throughput::Elements(documents.len() as u64)).sample_size(10);
    for (name, words) in [("words", Words::default()), ("whitespace", Words::whitespace())] {
        group.bench_function(BenchmarkId::new("hash", name), |bench| {
            bench.iter(|| documents.iter().map(|d| words.hashes(d).len()).sum::<usize>());
        });
    }
    group.bench_function("exact", |bench| {
        bench.iter(|| {
            let mut exact = ExactDedup::new(Some(Words::default()));
            documents.iter().filter(|d| exact.add(0, d).is_some()).count()
        });
    });
    let near = NearDedup::new(NearConfig::default());
    if let Ok(near) = &near {
        group.bench_function("fingerprint", |bench| {
            bench.iter(|| documents.iter().map(|d| near.fingerprint(d).keys.len()).sum::<usize>());
        });
    }
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    if let Ok(pool) = one {
        group.bench_function("near-duplicates", |bench| {
            let run =
                || near_duplicates(&documents, NearConfig::default()).map(|found| found.len());
            bench.iter(|| pool.install(run).ok());
        });
    }
    if let Ok(mut check) = Decontaminator::new(DecontaminationConfig::default()) {
        documents.iter().take(500).enumerate().for_each(|(i, d)| check.add("b", &i.to_string(), d));
        group.bench_function("decontaminate", |bench| {
            bench.iter(|| documents.iter().filter(|d| check.check(d).is_some()).count());
        });
    }
    group.bench_function("find_loop", |bench| {
        bench.iter(|| documents.iter().filter(|d| find_loop(d, 20, 5).is_some()).count());
    });
    let cot = Cot::default();
    group.bench_function("cot", |bench| {
        let trace = |d| Trace { prompt: "How many are there?", response: d, ..Trace::default() };
        bench.iter(|| documents.iter().filter(|d| cot.check(&trace(d)).is_some()).count());
    });
    group.finish();
}

/// Whole runs, shingling included. The targets are 60,000 documents a second for duplicates and
/// 100,000 for leaks.
fn corpus(criterion: &mut Criterion) {
    let Some((documents, questions)) = planted::planted() else { return };
    let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
    let Ok(one) = rayon::ThreadPoolBuilder::new().num_threads(1).build() else { return };
    let mut group = criterion.benchmark_group("corpus");
    group.throughput(Throughput::Elements(texts.len() as u64)).sample_size(10);
    for (name, verify) in [("verified", Some(0.7)), ("unverified", None)] {
        let config = NearConfig { verify, ..NearConfig::default() };
        group.bench_function(BenchmarkId::new("near-duplicates", name), |bench| {
            let run = || near_duplicates(&texts, config.clone()).map(|found| found.len());
            bench.iter(|| one.install(run).ok());
        });
    }
    for ngram in [8, 10, 13] {
        let config = DecontaminationConfig { ngram, ..DecontaminationConfig::default() };
        let Ok(mut check) = Decontaminator::new(config) else { continue };
        questions.iter().enumerate().for_each(|(i, q)| check.add("test", &i.to_string(), q));
        group.bench_function(BenchmarkId::new("decontaminate", ngram), |bench| {
            bench.iter(|| one.install(|| check.check_all(&texts).found.len()));
        });
    }
    group.finish();
}

fn loading(criterion: &mut Criterion) {
    let mut draw = Stream::new(2, Purpose::named("bench"), 0, 0, 0);
    let lengths: Vec<usize> = (0..100_000).map(|_| 1 + draw.below(6_000)).collect();
    let mut group = criterion.benchmark_group("loading");
    group.throughput(Throughput::Elements(lengths.len() as u64)).sample_size(10);
    for strategy in [Strategy::Bfd, Strategy::BfdSplit, Strategy::Wrapped] {
        group.bench_function(BenchmarkId::new("pack", format!("{strategy:?}")), |bench| {
            bench.iter(|| {
                pack(black_box(&lengths), 4096, strategy).map(|plan| plan.rows.len()).ok()
            });
        });
    }
    let order = Permutation::new(1_000_003, 1, 0);
    group.bench_function("permutation", |bench| {
        bench.iter(|| (0..lengths.len() as u64).fold(0, |sum, i| sum ^ order.at(i)));
    });
    group.finish();
}

criterion_group!(benches, text, corpus, loading);
criterion_main!(benches);
