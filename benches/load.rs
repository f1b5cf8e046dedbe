//! Loading a folder of safetensors: seconds, and the most memory on the way, files not counted.
//!
//! `REFIRE_SMOLLM2` names the folder; without it there is nothing to measure.

#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use peak_alloc::PeakAlloc;
use refire::burn::tensor::Device;
use refire::model::{ModelConfig, ModelError, load_weights_as};
use refire::objective::Dtype;
use std::path::Path;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most bytes held beyond those before, and those the weights have.
fn memory(dir: &Path, config: &ModelConfig, dtype: Dtype) -> Result<[f64; 2], ModelError> {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let decoder = load_weights_as(dir, config, &Device::flex(), dtype)?;
    let held = MEMORY.peak_usage() - before;
    drop(decoder);
    let size = config.parameters() * if dtype == Dtype::F32 { 4 } else { 2 };
    Ok([held as f64, size as f64].map(|bytes| bytes / f64::from(1 << 20)))
}

fn load(c: &mut Criterion) {
    let Some(dir) = std::env::var_os("REFIRE_SMOLLM2") else {
        eprintln!("REFIRE_SMOLLM2 names no folder");
        return;
    };
    let dir = Path::new(&dir);
    let config = match ModelConfig::read(dir) {
        Ok(config) => config,
        Err(error) => return eprintln!("{error}"),
    };
    let mut group = c.benchmark_group("load");
    group.sample_size(10);
    for (name, dtype) in [("f32", Dtype::F32), ("bf16", Dtype::Bf16)] {
        match memory(dir, &config, dtype) {
            Ok([held, size]) => eprintln!("{name}: {held:.1} MiB at most for {size:.1} MiB"),
            Err(error) => return eprintln!("{error}"),
        }
        group.bench_function(name, |b| {
            b.iter(|| load_weights_as(dir, &config, &Device::flex(), dtype).map(drop));
        });
    }
    group.finish();
}

criterion_group!(benches, load);
criterion_main!(benches);
