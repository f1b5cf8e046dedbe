//! The decode loop allocates nothing of the vocabulary's size.

#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;

use peak_alloc::PeakAlloc;
use refire_core::{Purpose, Stream};
use refire_sample::{DrawBuffer, Sampler, TokenContext};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

#[test]
fn no_draw_allocates_by_the_vocabulary() {
    let vocab = 40_000;
    let mut stream = Stream::new(2, Purpose::named("test"), 0, 0, 0);
    let row: Vec<f32> = (0..vocab).map(|_| 3.0 * stream.normal() as f32).collect();
    let output: Vec<u32> = (0..200).map(|i| i % 50).collect();
    let mut logits = row.clone();
    for params in common::processors() {
        let (mut sampler, mut buffer) = (Sampler::new(&params, &[90]), DrawBuffer::default());
        let mut draw = |length: usize, uniform| {
            logits.copy_from_slice(&row);
            let context = TokenContext::new(&[1, 2, 3], &output[..length]);
            let drawn = sampler.draw(&context, &mut logits, uniform, &mut buffer).unwrap();
            sampler.observe(&drawn);
        };
        // The first tokens may grow the buffers.
        (0..8).for_each(|i| draw(i + 190, 0.1));
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        (0..40).for_each(|i| draw(4 * i, i as f64 / 40.0));
        let grown = MEMORY.peak_usage() - before;
        assert!(grown < vocab, "{grown} bytes for {params:?}");
    }
}
