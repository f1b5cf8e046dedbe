//! The answer checker: single answers of several kinds, and a labelled file if one is given.
//!
//! `REFIRE_TEST_DATA` names the folder with `cases/math_wild.jsonl`; without it only the built-in
//! answers are measured.

#![allow(missing_docs)]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use refire::math::{Checker, ExtractRules, extract};
use std::hint::black_box;
use std::path::Path;

const ANSWERS: &[(&str, &str, &str)] = &[
    ("integer", "42", "42.0"),
    ("fraction", r"\frac{3}{4}", "0.75"),
    ("radical", r"\frac{6}{\sqrt{3}}", r"2\sqrt{3}"),
    ("nested radical", r"\sqrt{5+2\sqrt{6}}", r"\sqrt{2}+\sqrt{3}"),
    ("polynomial", "(a+b)^3", "a^3+3a^2b+3ab^2+b^3"),
    ("trigonometric", r"\sin 3x", r"3\sin x-4\sin^3 x"),
    ("separation", r"\cos 20^\circ\cos 40^\circ\cos 80^\circ", r"\frac18"),
    ("inequality", "x^2<4", "(-2,2)"),
    ("set", r"\{1,2,3,4\}", "4,3,2,1"),
    ("matrix", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
    ("units", r"5\text{ km}", r"5000\text{ m}"),
    ("hostile tower", "5", "9^{9^{9^{9}}}"),
    ("hostile powers", "5", r"\sin(\sin x+\cos y+\tan z)^7+\cos(\tan(x+y+z))^9"),
];

fn answers(c: &mut Criterion) {
    let checker = Checker::default();
    let mut group = c.benchmark_group("compare");
    for (name, gold, answer) in ANSWERS {
        group.bench_function(*name, |b| b.iter(|| checker.compare(black_box(gold), answer)));
    }
    group.finish();
}

/// Ten times the text takes ten times as long.
fn scans(c: &mut Criterion) {
    let mut group = c.benchmark_group("extract");
    for (name, unit) in
        [("prose", "we get $x^2+1$ and then 3 + 4 = 7. "), ("openings", "$ \\[ \\( ")]
    {
        for size in [10_000, 100_000, 1_000_000] {
            let text = unit.repeat(size / unit.len());
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter(|| extract(black_box(&text), &ExtractRules::default()).span);
            });
        }
    }
    group.finish();
}

fn corpus(c: &mut Criterion) {
    let Ok(root) = std::env::var("REFIRE_TEST_DATA") else { return };
    let Ok(text) = std::fs::read_to_string(Path::new(&root).join("cases/math_wild.jsonl")) else {
        return;
    };
    let field = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or("").to_owned();
    let rows = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let pairs: Vec<(String, String)> =
        rows.map(|row| (field(&row, "gold"), field(&row, "pred"))).collect();
    let checker = Checker::default();
    let mut group = c.benchmark_group("corpus");
    group.sample_size(20).throughput(Throughput::Elements(pairs.len() as u64));
    group.bench_function("one core", |b| {
        b.iter(|| pairs.iter().filter(|(gold, pred)| checker.check(gold, pred).is_equal()).count());
    });
    group.bench_function("all cores", |b| {
        b.iter_batched(|| &pairs, |pairs| checker.check_batch(pairs), BatchSize::LargeInput);
    });
    group.finish();
}

criterion_group!(benches, answers, scans, corpus);
criterion_main!(benches);
