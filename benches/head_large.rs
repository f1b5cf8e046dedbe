//! The chunked head at the size where it matters: hidden 896, vocabulary 151,936, 4,096 completion
//! tokens, against plain logits under autodiff. Takes minutes and 12 GiB.
//!
//! Peak memory is that beyond the inputs and the weight's gradient, which every way must hold.

#![allow(missing_docs)]

#[path = "common/head_case.rs"]
mod head_case;

use head_case::{Case, VARIANTS};
use peak_alloc::PeakAlloc;
use std::time::Instant;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ROWS: usize = 4096;
const VOCAB: usize = 151_936;
const WIDTH: usize = 896;
const ROUNDS: usize = 3;

fn main() {
    // `cargo test --benches` runs this with `--test`: too large for that.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let case = Case::new(ROWS, VOCAB, WIDTH);
    let gradients = ((VOCAB + ROWS) * WIDTH * size_of::<f32>()) as f64;
    let mut seconds = [const { Vec::new() }; VARIANTS.len()];
    let mut peaks = [0.0; VARIANTS.len()];
    // Interleaved, so that all see the same machine.
    for _ in 0..ROUNDS {
        for (index, (_, work)) in VARIANTS.iter().enumerate() {
            let before = MEMORY.current_usage();
            MEMORY.reset_peak_usage();
            let clock = Instant::now();
            work(&case);
            seconds[index].push(clock.elapsed().as_secs_f64());
            peaks[index] = (MEMORY.peak_usage() - before) as f64 - gradients;
        }
    }
    let medians = seconds.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    let plain = VARIANTS.len() - 1;
    for (index, (name, _)) in VARIANTS.iter().enumerate() {
        println!(
            "{name}: {:.1} s, {:.2} of plain; memory {:.0} MiB, {:.3} of plain",
            medians[index],
            medians[index] / medians[plain],
            peaks[index] / f64::from(1 << 20),
            peaks[index] / peaks[plain],
        );
    }
}
