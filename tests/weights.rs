//! Weights go from the learner to the engine and back without a copy.
//!
//! One test, alone in its program: the allocator's counters belong to the whole process.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Text, codec};
use peak_alloc::PeakAlloc;
use refire::burn::tensor::Device;
use refire::core::{Flow, Needs, Prompt, Request, RolloutEngine, SamplingParams, WeightUpdate};
use refire::model::{Decoder, Learner, LearnerConfig, TinyLlama};
use refire::objective::{HeadQuery, Loss, Policy, TokenBatch};
use refire::sample::{EngineConfig, LocalEngine};
use std::sync::Arc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that `work` held at its peak beyond those held before it.
fn growth<R>(work: impl FnOnce() -> R) -> (usize, R) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = work();
    (MEMORY.peak_usage().saturating_sub(before), result)
}

/// Many layers, so that no single parameter is near the size of all.
fn learner() -> Learner {
    let codec = codec();
    let shape = TinyLlama {
        vocab_size: codec.vocab_size(),
        hidden_size: 128,
        intermediate_size: 256,
        layers: 12,
        end_token: codec.end_token(),
        ..TinyLlama::default()
    };
    let decoder = Decoder::init(&shape.config(), 7, &Device::flex());
    Learner::new(decoder, LearnerConfig::default())
}

fn accumulate(learner: &mut Learner) {
    let batch = TokenBatch::continuations([(&[1][..], &[2, 3][..])]);
    let query = HeadQuery::new(Needs::NONE, &[1.0]);
    let loss = &mut |stats: refire::objective::TokenStats| {
        Ok(Loss { total: stats.logprobs.sum().neg(), metrics: Vec::new() })
    };
    learner.accumulate(&batch, &query, loss).unwrap();
}

#[test]
fn a_synchronous_step_holds_the_weights_once() {
    let mut learner = learner();
    let weights = learner.info().parameters * size_of::<f32>();
    let text = Arc::new(Text(codec(), [codec().end_token()]));
    let mut engine = LocalEngine::new(learner.handle(), text, EngineConfig::default()).unwrap();
    let request = Request {
        prompt: Prompt { id: 1, tokens: vec![1, 2], ..Prompt::default() },
        n: 2,
        params: SamplingParams { max_tokens: 4, ..SamplingParams::default() },
        ..Request::default()
    };
    let generate = |engine: &mut LocalEngine| {
        engine.generate(std::slice::from_ref(&request), &mut |_| Flow::Continue).unwrap()
    };

    for step in 1..4 {
        let (sampled, _) = growth(|| generate(&mut engine));
        assert!(sampled < weights / 4, "sampling {step}: {sampled} of {weights} bytes");
        engine.release();
        accumulate(&mut learner);
        let (stepped, report) = growth(|| learner.step(1e-3).unwrap());
        // The first update makes the optimiser's two moments.
        let moments = if step == 1 { 2 * weights } else { 0 };
        assert!(
            stepped < moments + weights / 4,
            "update {step}: {stepped} of {weights} bytes beside {moments}"
        );
        let update = WeightUpdate::InProcess { version: report.version };
        let (taken, result) = growth(|| engine.refresh(&update));
        result.unwrap();
        assert!(taken < weights / 4, "refresh {step}: {taken} of {weights} bytes");
    }

    // What the counters show when somebody keeps the weights through an update: a second copy.
    accumulate(&mut learner);
    let kept = learner.freeze();
    let (stepped, _) = growth(|| learner.step(1e-3).unwrap());
    drop(kept);
    assert!(stepped > weights * 3 / 4, "an update beside a copy: {stepped} of {weights} bytes");
}
