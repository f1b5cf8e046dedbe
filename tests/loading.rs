//! Loading a folder holds the weights once, in the format that was asked for.
//!
//! One test, alone in its program: the allocator's counters belong to the whole process.

#![allow(clippy::unwrap_used, clippy::panic)]

use peak_alloc::PeakAlloc;
use refire::burn::tensor::Device;
use refire::model::{
    Decoder, ModelConfig, TinyLlama, load_weights_as, save_weights, save_weights_in_shards,
};
use refire::objective::Dtype;
use std::path::Path;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes of a loaded model at the peak of its loading.
fn peak(dir: &Path, config: &ModelConfig, dtype: Dtype) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let loaded = load_weights_as(dir, config, &Device::flex(), dtype).unwrap();
    let peak = MEMORY.peak_usage() - before;
    drop(loaded);
    peak
}

#[test]
fn weights_are_in_memory_once() {
    // Many layers, so that no single parameter is near the size of all.
    let shape =
        TinyLlama { hidden_size: 128, intermediate_size: 256, layers: 16, ..TinyLlama::default() };
    let config = shape.config();
    let dir = tempfile::tempdir().unwrap();
    let decoder = Decoder::init(&config, 3, &Device::flex());
    for stored in [Dtype::Bf16, Dtype::F16, Dtype::F32] {
        save_weights(&decoder, dir.path(), stored).unwrap();
        for sharded in [false, true] {
            if sharded {
                save_weights_in_shards(&decoder, dir.path(), stored, 1_000_000).unwrap();
            }
            for (dtype, bytes) in [(Dtype::F32, 4), (Dtype::Bf16, 2), (Dtype::F16, 2)] {
                let size = config.parameters() * bytes;
                let peak = peak(dir.path(), &config, dtype);
                let what = format!("{stored:?} to {dtype:?}, sharded: {sharded}");
                assert!(peak > size, "{what}: {peak} of {size} bytes were counted");
                assert!(peak < size * 6 / 5, "{what}: {peak} of {size} bytes");
            }
        }
    }
}
