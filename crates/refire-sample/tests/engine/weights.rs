//! Taking up and giving back weights.

use crate::common::{data, engine, generate, learner, open, request};
use refire_core::{Needs, RolloutEngine, SamplingParams, WeightUpdate};
use refire_objective::{HeadQuery, Loss, Policy, TokenBatch};
use refire_sample::SampleError;
use std::path::Path;

#[test]
fn new_weights_are_used_after_a_refresh() {
    let mut learner = learner(64);
    let mut engine = engine(&learner);
    let asked = [request(1, 2, SamplingParams { max_tokens: 8, ..SamplingParams::default() })];
    let before = generate(&mut engine, &asked);
    assert_eq!(before[0].completions[0].versions[0], 0);
    engine.release();
    let batch = TokenBatch::continuations([(&[1][..], &[2, 3][..])]);
    let query = HeadQuery::new(Needs::NONE, &[1.0]);
    let mut loss = |stats: refire_objective::TokenStats| {
        Ok(Loss { total: stats.logprobs.sum().neg(), metrics: vec![] })
    };
    learner.accumulate(&batch, &query, &mut loss).unwrap();
    let version = learner.step(0.05).unwrap().version;
    engine.refresh(&WeightUpdate::InProcess { version }).unwrap();
    let after = generate(&mut engine, &asked);
    assert_eq!((engine.weights_version(), version), (1, 1));
    let [old, new] = [&before, &after].map(|groups| &groups[0].completions[0]);
    assert!(new.versions.iter().all(|v| *v == 1));
    assert_ne!(old.model_logprobs[0], new.model_logprobs[0]);
}

#[test]
fn weights_come_from_a_folder() {
    let Some(root) = data("golden/models") else { return };
    let (one, other) = (open(&root.join("llama")), open(&root.join("llama_bias")));
    let asked = [request(1, 4, SamplingParams { max_tokens: 8, ..SamplingParams::default() })];
    let mut engine_one = engine(&one);
    let before = generate(&mut engine_one, &asked);
    let folder = root.join("llama_bias");
    engine_one.refresh(&WeightUpdate::Folder { path: &folder, version: 7 }).unwrap();
    let after = generate(&mut engine_one, &asked);
    assert_eq!(engine_one.weights_version(), 7);
    let expected = generate(&mut engine(&other), &asked);
    for (found, expected) in after[0].completions.iter().zip(&expected[0].completions) {
        assert_eq!(found.tokens, expected.tokens);
        assert_eq!(found.model_logprobs, expected.model_logprobs);
        assert!(found.versions.iter().all(|v| *v == 7));
    }
    assert_ne!(before[0].completions[0].model_logprobs, after[0].completions[0].model_logprobs);
}

#[test]
fn a_folder_that_fails_is_an_error_and_changes_nothing() {
    let learner = learner(64);
    let mut engine = engine(&learner);
    let asked = [request(1, 1, SamplingParams::greedy(4))];
    let before = generate(&mut engine, &asked);
    let path = Path::new("/nowhere/at/all");
    let error = engine.refresh(&WeightUpdate::Folder { path, version: 3 }).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(SampleError::Model(_))), "{error}");
    assert!(error.to_string().contains("/nowhere/at/all"));
    assert_eq!(engine.weights_version(), 0);
    assert_eq!(generate(&mut engine, &asked), before);
}
