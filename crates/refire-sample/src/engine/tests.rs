#![allow(clippy::unwrap_used)]

use super::*;
use burn::tensor::Device;
use refire_core::{Prompt, SamplingParams};
use refire_model::{Decoder, Learner, LearnerConfig, TinyLlama};

struct NoText;

impl Detokenize for NoText {
    fn text(&self, _tokens: &[u32]) -> Result<String, BoxError> {
        Ok(String::new())
    }
    fn end_tokens(&self) -> &[u32] {
        &[]
    }
}

fn request(n: usize, max_tokens: usize) -> Request {
    let params = SamplingParams { max_tokens, ..Default::default() };
    let prompt = Prompt { tokens: vec![1, 2, 3], ..Default::default() };
    Request { prompt, n, params, ..Default::default() }
}

#[test]
fn caches_are_used_again() {
    let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    let learner = Learner::new(decoder, LearnerConfig::default());
    let config = EngineConfig { max_slots: 4, ..Default::default() };
    let mut engine = LocalEngine::new(learner.handle(), Arc::new(NoText), config).unwrap();
    let mut caches = |requests: &[Request]| {
        let beforehand = engine.memory(requests).unwrap();
        engine.generate(requests, &mut |_| Flow::Continue).unwrap();
        assert!(engine.memory(requests).unwrap() <= beforehand);
        (engine.pool.free(), engine.pool.capacity())
    };
    assert_eq!(caches(&[request(3, 8)]), (3, 7));
    assert_eq!(caches(&[request(9, 8), request(2, 5)]), (4, 7), "no more than the slots");
    assert_eq!(caches(&[request(1, 2)]), (4, 7), "shorter completions take the same");
    assert_eq!(caches(&[request(1, 20)]), (1, 19), "longer ones need others");
}

#[test]
fn a_cancelled_call_gives_its_caches_back() {
    let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    let learner = Learner::new(decoder, LearnerConfig::default());
    let config = EngineConfig::default();
    let mut engine = LocalEngine::new(learner.handle(), Arc::new(NoText), config).unwrap();
    engine.generate(&[request(6, 9)], &mut |_| Flow::CancelAll).unwrap();
    assert_eq!(engine.pool.free(), 6);
}
