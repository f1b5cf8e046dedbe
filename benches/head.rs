//! The chunked head against plain logits under autodiff: time, and peak memory beyond the inputs.

#![allow(missing_docs)]

#[path = "common/head_case.rs"]
mod head_case;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use head_case::{Case, VARIANTS};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ROWS: usize = 2048;

fn head(c: &mut Criterion) {
    let mut group = c.benchmark_group("head");
    group.sample_size(10);
    for (shape, vocab, width) in [("1M", 512, 160), ("135M", 49_152, 576)] {
        let case = Case::new(ROWS, vocab, width);
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
