//! Memory of weights in 4 bits, at rest and in a step.

#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::Device;
use peak_alloc::PeakAlloc;
use refire_core::Needs;
use refire_model::{Decoder, Learner, LearnerConfig, LoraConfig, TinyLlama};
use refire_objective::{HeadQuery, Loss, Policy, TokenBatch};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Bytes of the largest matrix in 32 bits.
const MATRIX: usize = 8 * 1024 * 1024;

/// Most bytes that a step takes beyond what was there before.
fn step(learner: &mut Learner) -> usize {
    let batch = TokenBatch::continuations([(&[1_u32][..], &[2_u32, 3, 4][..])]);
    let query = HeadQuery::new(Needs::NONE, &[1.0]);
    let loss = &mut |stats: refire_objective::TokenStats| {
        Ok(Loss { total: stats.logprobs.sum(), metrics: Vec::new() })
    };
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    learner.accumulate(&batch, &query, loss).unwrap();
    learner.step(1e-3).unwrap();
    ALLOCATED.peak_usage() - before
}

#[test]
fn the_frozen_weights_take_a_quarter_of_16_bits_and_a_step_holds_one_of_them_whole() {
    let shape = TinyLlama {
        vocab_size: 16,
        hidden_size: 1024,
        intermediate_size: 2048,
        layers: 4,
        ..TinyLlama::default()
    };
    let before = ALLOCATED.current_usage();
    let decoder = Decoder::init(&shape.config(), 0, &Device::flex());
    let whole = ALLOCATED.current_usage() - before;
    let decoder = decoder.quantized().unwrap();
    let packed = ALLOCATED.current_usage() - before;
    let share = packed as f64 / (whole as f64 / 2.0);
    println!("{whole} bytes in 32 bits, {packed} in 4: {share:.3} of 16 bits");
    assert!(share < 0.265, "{share} of 16 bits");
    assert!(decoder.weight_bytes() <= packed);

    let adapted = decoder.with_lora(&LoraConfig { r: 2, ..LoraConfig::default() }, 0).unwrap();
    let mut learner = Learner::new(adapted, LearnerConfig::default());
    step(&mut learner);
    let taken = step(&mut learner);
    println!("{taken} bytes in a step");
    // One weight made whole, and at most one copy of it in the product.
    assert!(taken < 5 * MATRIX / 2, "{taken} bytes, a matrix has {MATRIX}");
}
