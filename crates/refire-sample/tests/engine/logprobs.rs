//! Against the learner, and against transformers.

use crate::common::{data, engine, engine_with, generate, learner, open, request};
use refire_core::{Group, Needs, Prompt, Request, SamplingParams};
use refire_model::{Learner, ModelConfig};
use refire_objective::{Dtype, HeadQuery, Policy, TokenBatch};
use refire_sample::EngineConfig;
use serde_json::Value;
use std::path::PathBuf;

/// The learner's log-probabilities of every token of a group.
fn learners(learner: &Learner, group: &Group, temperature: f32) -> Vec<f32> {
    let prompt = group.request.prompt.tokens.as_slice();
    let rows = group.completions.iter().map(|c| (prompt, c.tokens.as_slice()));
    let batch = TokenBatch::continuations(rows);
    let temperature = vec![temperature; batch.rows];
    let query = HeadQuery::new(Needs::NONE, &temperature);
    let stats = learner.token_stats(&batch, &query).unwrap();
    let padded: Vec<f32> = stats.logprobs.into_data().iter::<f32>().collect();
    let rows = padded.chunks(batch.width).zip(&group.completions);
    rows.flat_map(|(row, c)| row[..c.len()].to_vec()).collect()
}

fn assert_equals_learner(learner: &Learner, variants: &[SamplingParams]) {
    let mut engine = engine(learner);
    let mut distinct = 0;
    for (i, params) in variants.iter().enumerate() {
        let groups = generate(&mut engine, &[request(i as u64, 5, params.clone())]);
        let expected = learners(learner, &groups[0], params.temperature);
        let ours = groups[0].completions.iter().flat_map(|c| &c.model_logprobs);
        for (ours, theirs) in ours.zip(expected) {
            assert!((ours - theirs).abs() < 1e-4, "{ours} instead of {theirs} with {params:?}");
            distinct += usize::from(*ours < -1.0);
        }
    }
    assert!(distinct > 20, "the log-probabilities say something");
}

fn variants() -> Vec<SamplingParams> {
    let base = SamplingParams { max_tokens: 20, seed: 4, ..Default::default() };
    let truncated = SamplingParams { top_k: Some(40), top_p: Some(0.9), ..base.clone() };
    [1.0, 0.7]
        .into_iter()
        .flat_map(|temperature| {
            let plain = SamplingParams { temperature, ..base.clone() };
            let held = SamplingParams { min_tokens: 15, ..plain.clone() };
            [plain, held, SamplingParams { temperature, ..truncated.clone() }]
        })
        .collect()
}

#[test]
fn equal_the_learners() {
    assert_equals_learner(&learner(64), &variants());
}

#[test]
fn stored_as_bf16_they_differ_from_the_learners_by_the_rounding_of_weights() {
    let learner = learner(64);
    let config = EngineConfig { decode_dtype: Dtype::Bf16, ..Default::default() };
    let mut engine = engine_with(&learner, &[0], config);
    let params = SamplingParams { max_tokens: 20, seed: 4, ..Default::default() };
    let groups = generate(&mut engine, &[request(0, 8, params)]);
    let expected = learners(&learner, &groups[0], 1.0);
    let ours = groups[0].completions.iter().flat_map(|c| &c.model_logprobs);
    let gaps: Vec<f32> = ours.zip(expected).map(|(a, b)| (a - b).abs()).collect();
    let mean = gaps.iter().sum::<f32>() / gaps.len() as f32;
    println!("mean gap {mean:.5}, largest {:.5}", gaps.iter().copied().fold(0.0, f32::max));
    assert!(mean > 1e-5 && mean < 1e-2, "a mean gap of {mean}");
}

/// Every folder of a family that the decoder knows.
fn models() -> Vec<(PathBuf, Learner)> {
    let Some(root) = data("golden/models") else { return Vec::new() };
    let folders = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    let known = |dir: &PathBuf| match ModelConfig::read(dir) {
        Ok(_) => true,
        Err(error) => {
            println!("skipped: {error}");
            false
        }
    };
    let known: Vec<PathBuf> = folders.into_iter().filter(known).collect();
    assert!(!known.is_empty(), "none of the models is of a known family");
    known.into_iter().map(|dir| (dir.clone(), open(&dir))).collect()
}

#[test]
fn equal_the_learners_on_loaded_models() {
    for (dir, learner) in models() {
        println!("{}", dir.display());
        assert_equals_learner(&learner, &variants());
    }
}

#[test]
fn greedy_completions_equal_those_of_transformers() {
    for (dir, learner) in models() {
        let Ok(reference) = std::fs::read(dir.join("reference.json")) else {
            println!("skipped: {} has no reference", dir.display());
            continue;
        };
        let reference: Value = serde_json::from_slice(&reference).unwrap();
        let ids = |value: &Value| -> Vec<u32> {
            value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
        };
        let sequences = reference["sequences"].as_array().unwrap();
        let requests: Vec<Request> = sequences
            .iter()
            .zip(0..)
            .map(|(sequence, id)| {
                let max_tokens = ids(&sequence["greedy"]["tokens"]).len();
                let params =
                    SamplingParams { ignore_end: true, ..SamplingParams::greedy(max_tokens) };
                let tokens = ids(&sequence["input_ids"]);
                let prompt = Prompt { id, tokens, ..Default::default() };
                Request { id, prompt, n: 1, params, ..Default::default() }
            })
            .collect();
        let config = EngineConfig { max_slots: 2, max_prefill_tokens: 7, ..Default::default() };
        let groups = generate(&mut engine_with(&learner, &[2], config), &requests);
        for (sequence, group) in sequences.iter().zip(&groups) {
            let greedy = &sequence["greedy"];
            let margins = greedy["margin_top1_top2"].as_array().unwrap();
            let clear = margins.iter().take_while(|m| m.as_f64().unwrap() > 1e-3).count();
            let expected = ids(&greedy["tokens"]);
            assert_eq!(group.completions[0].tokens[..clear], expected[..clear], "{dir:?}");
        }
    }
}
