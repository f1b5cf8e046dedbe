//! Requests that can't be served are named, before anything is generated.

use crate::common::{Letters, engine, engine_with, learner, request};
use refire_core::{
    BudgetForcing, Finish, Flow, Guide, Request, RolloutEngine, SamplingParams, SequenceBias,
};
use refire_objective::Dtype;
use refire_sample::{EngineConfig, LocalEngine, SampleError};
use std::sync::Arc;

fn error(engine: &mut LocalEngine, bad: Request) -> (SampleError, String) {
    let good = request(1, 2, SamplingParams::default());
    let mut events = 0;
    let result = engine.generate(&[good, bad], &mut |_| {
        events += 1;
        Flow::Continue
    });
    assert_eq!(events, 0, "nothing is generated");
    let error = *result.unwrap_err().downcast::<SampleError>().unwrap();
    let text = error.to_string();
    (error, text)
}

#[test]
fn bad_requests() {
    let learner = learner(32);
    let mut engine = engine(&learner);
    let good = || request(70, 1, SamplingParams { max_tokens: 4, ..Default::default() });

    for length in [32, 40] {
        let mut long = good();
        long.prompt.tokens = vec![1; length];
        let (error, text) = error(&mut engine, long);
        assert!(matches!(error, SampleError::PromptTooLong { request: 70, prompt: 1070, .. }));
        assert!(text.contains(&length.to_string()) && text.contains("32"), "{text}");
    }
    let mut fits = good();
    fits.prompt.tokens = vec![1; 31];
    assert!(engine.generate(&[fits], &mut |_| Flow::Continue).is_ok());

    let mut empty = good();
    empty.prompt.tokens.clear();
    let (error_, _) = error(&mut engine, empty);
    assert!(matches!(error_, SampleError::EmptyPrompt { request: 70, prompt: 1070 }));

    let (error_, _) = error(&mut engine, Request { n: 0, ..good() });
    assert!(matches!(error_, SampleError::NoSamples { request: 70, .. }));

    let mut unknown = good();
    unknown.prompt.tokens.push(128);
    let (error_, _) = error(&mut engine, unknown);
    assert!(matches!(error_, SampleError::TokenId { request: 70, token: 128, vocab: 128, .. }));

    let mut unknown = good();
    unknown.params.stop_tokens = vec![5, 500];
    let (error_, text) = error(&mut engine, unknown);
    assert!(matches!(error_, SampleError::TokenId { request: 70, token: 500, .. }));
    assert!(text.contains("stop_tokens"));

    let mut cold = good();
    cold.params.temperature = -1.0;
    let (error_, text) = error(&mut engine, cold);
    assert!(matches!(error_, SampleError::Params { request: 70, .. }));
    assert!(text.contains("temperature"), "{text}");
}

#[test]
fn token_ids_anywhere() {
    let learner = learner(32);
    let mut engine = engine(&learner);
    let base = SamplingParams { max_tokens: 4, ..Default::default() };
    let budget = BudgetForcing { ends: vec![3], wait: vec![500], waits: 1, ..Default::default() };
    let bias = SequenceBias { tokens: vec![1, 500], bias: 1.0 };
    for (params, what) in [
        (SamplingParams { logit_bias: [(500, 1.0)].into(), ..base.clone() }, "logit_bias"),
        (SamplingParams { sequence_bias: vec![bias], ..base.clone() }, "sequence_bias"),
        (SamplingParams { allowed_tokens: Some(vec![1, 500]), ..base.clone() }, "allowed_tokens"),
        (SamplingParams { suppress_tokens: vec![500], ..base.clone() }, "suppress_tokens"),
        (SamplingParams { bad_words: vec![vec![1], vec![2, 500]], ..base.clone() }, "bad_words"),
        (SamplingParams { forced_tokens: vec![500], ..base.clone() }, "forced_tokens"),
        (SamplingParams { budget: Some(budget), ..base.clone() }, "budget.wait"),
    ] {
        let (found, text) = error(&mut engine, request(70, 1, params));
        assert!(matches!(found, SampleError::TokenId { request: 70, token: 500, .. }), "{text}");
        assert!(text.contains(what), "{text}");
    }
}

#[test]
fn what_the_engine_was_not_given() {
    let learner = learner(32);
    let mut engine_ = engine(&learner);
    let guide = Some(Guide::Regex { pattern: "a".to_owned() });
    let guided = SamplingParams { guide, ..Default::default() };
    let (found, text) = error(&mut engine_, request(70, 1, guided));
    assert!(matches!(found, SampleError::NoGuides { request: 70 }) && text.contains("guided"));
    let blended = SamplingParams { blend: Some(0.5), ..Default::default() };
    let (found, text) = error(&mut engine_, request(70, 1, blended));
    assert!(matches!(found, SampleError::NoPartner { request: 70 }), "{text}");
    let config = EngineConfig { max_cache_tokens: Some(10), ..Default::default() };
    let mut small = engine_with(&learner, &[0], config);
    let long = request(70, 1, SamplingParams { max_tokens: 20, ..Default::default() });
    let (found, text) = error(&mut small, long);
    assert!(matches!(found, SampleError::CacheTokens { most: 10, .. }), "{text}");
}

#[test]
fn bad_resumptions() {
    let learner = learner(32);
    let mut engine = engine(&learner);
    let asked = request(70, 1, SamplingParams { max_tokens: 4, ..Default::default() });
    let groups = engine.generate(std::slice::from_ref(&asked), &mut |_| Flow::Continue).unwrap();
    let mut partial = groups[0].completions[0].clone();
    partial.finish = Finish::Cancelled;
    let resume = |partial| Request { resume: Some(partial), ..asked.clone() };

    let (error_, _) = error(&mut engine, Request { n: 2, ..resume(partial.clone()) });
    assert!(matches!(error_, SampleError::ResumeMany { request: 70, n: 2 }));

    let mut ended = partial.clone();
    ended.finish = Finish::EndToken { token: 0 };
    let (error_, _) = error(&mut engine, resume(ended));
    assert!(matches!(error_, SampleError::ResumeEnded { request: 70, .. }));

    let mut broken = partial.clone();
    broken.versions.pop();
    let (error_, _) = error(&mut engine, resume(broken));
    assert!(matches!(error_, SampleError::ResumeBroken { request: 70, .. }));

    let mut long = partial;
    for _ in 0..40 {
        long.tokens.push(1);
        long.loss_mask.push(true);
        long.versions.push(0);
        long.model_logprobs.push(-1.0);
        long.behaviour_logprobs.push(-1.0);
    }
    let (error_, _) = error(&mut engine, resume(long));
    assert!(matches!(error_, SampleError::PromptTooLong { request: 70, .. }));
}

#[test]
fn released_weights() {
    let learner = learner(32);
    let mut engine = engine(&learner);
    engine.release();
    let (error_, text) = error(&mut engine, request(2, 1, SamplingParams::default()));
    assert!(matches!(error_, SampleError::NoWeights));
    assert!(text.contains("refresh"), "{text}");
}

#[test]
fn bad_configurations() {
    let learner = learner(32);
    let bad = EngineConfig {
        max_slots: 0,
        max_prefill_tokens: 0,
        max_cache_tokens: Some(0),
        decode_dtype: Dtype::F16,
        decode_on: Default::default(),
        purpose: String::new(),
    };
    assert_eq!(bad.validate().len(), 5);
    let made = LocalEngine::new(learner.handle(), Arc::new(Letters(vec![0])), bad);
    assert!(matches!(made.unwrap_err(), SampleError::Config(_)));
    assert!(serde_json::from_str::<EngineConfig>(r#"{"max_slot": 3}"#).is_err());
    let read: EngineConfig = serde_json::from_str(r#"{"max_slots": 3}"#).unwrap();
    assert_eq!(read, EngineConfig { max_slots: 3, ..Default::default() });
}
