//! An adapter's step forms nothing of a weight's size.

#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::Device;
use peak_alloc::PeakAlloc;
use refire_core::Needs;
use refire_model::{Decoder, Learner, LearnerConfig, LoraConfig, TargetModules, TinyLlama};
use refire_objective::{HeadQuery, Loss, Policy, TokenBatch};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Bytes of the smallest matrix with an adapter.
const MATRIX: usize = 4 * 1024 * 1024;

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
fn a_step_holds_no_product_of_a_weights_size() {
    let shape = TinyLlama {
        vocab_size: 1024,
        hidden_size: 1024,
        intermediate_size: 2048,
        layers: 2,
        ..TinyLlama::default()
    };
    let decoder = Decoder::init(&shape.config(), 0, &Device::flex());
    let everything = TargetModules::Pattern(r".*(_proj|lm_head|embed_tokens)".to_owned());
    let plain = LoraConfig { r: 2, ..LoraConfig::default() };
    let kinds = [
        plain.clone(),
        LoraConfig { use_dora: true, ..plain.clone() },
        LoraConfig { target_modules: everything, lora_dropout: 0.1, ..plain },
    ];
    for config in kinds {
        let adapted = decoder.clone().with_lora(&config, 0).unwrap();
        let mut learner = Learner::new(adapted, LearnerConfig::default());
        // The first step makes the moments.
        step(&mut learner);
        let taken = step(&mut learner);
        println!("{config:?}: {taken} bytes beyond the weights");
        assert!(taken < MATRIX, "{taken} bytes, a matrix has {MATRIX}");
    }
    // What is measured is there where all weights are trained.
    let taken = step(&mut Learner::new(decoder, LearnerConfig::default()));
    assert!(taken > 10 * MATRIX, "{taken} bytes");
}
