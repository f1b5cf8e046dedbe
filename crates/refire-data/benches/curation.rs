//! Speed of the parts that see every document, in documents a second on one thread.

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

criterion_group!(benches, text, loading);
criterion_main!(benches);
