//! What a group has in common is read once, with the same statistics and gradients as if each row
//! had its own; and layers that are run again for their gradients give the same ones.

#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::Device;
use refire_core::Needs;
use refire_model::{Decoder, Family, Learner, LearnerConfig, ModelConfig};
use refire_objective::{Blend, HeadQuery, InputNoise, Loss, Policy, TokenBatch};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

fn config(family: Family, more: Value) -> ModelConfig {
    let mut raw = json!({
        "model_type": family.model_type(), "vocab_size": 61, "hidden_size": 24,
        "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 10, "max_position_embeddings": 256,
        "initializer_range": 0.3, "sliding_window": 5, "moe_intermediate_size": 12,
        "num_experts": 5, "num_experts_per_tok": 2, "query_pre_attn_scalar": 9,
        "eos_token_id": 0, "bos_token_id": null, "dtype": "float32",
    });
    let all = raw.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    ModelConfig::from_map(all.clone(), Path::new("config.json")).unwrap()
}

/// Every family, and a rope that turns rows beyond 12 tokens otherwise.
fn configs() -> Vec<ModelConfig> {
    let factors = |f: f64| (0..5).map(|i| 1.0 + f * f64::from(i)).collect::<Vec<_>>();
    let longrope = json!({
        "original_max_position_embeddings": 12, "rope_parameters": {
            "rope_type": "longrope", "short_factor": factors(0.1), "long_factor": factors(0.7),
    }});
    let mut configs: Vec<_> = Family::ALL.into_iter().map(|f| config(f, json!({}))).collect();
    configs.push(config(Family::Phi3, longrope));
    configs
}

fn tokens(count: usize, seed: usize) -> Vec<u32> {
    (0..count).map(|i| ((i * 17 + seed * 29 + i * i * seed) % 61) as u32).collect()
}

/// Two groups; prompts are longer than the windows, and one is longer than a kernel's block.
fn rows() -> Vec<(Vec<u32>, Vec<u32>)> {
    let (long, short) = (tokens(70, 1), tokens(7, 2));
    let group = |prompt: &Vec<u32>, sizes: [usize; 3], seed| {
        let completions = sizes.into_iter().enumerate();
        let pair = |(i, size)| (prompt.clone(), tokens(size, seed + i));
        completions.map(pair).collect::<Vec<_>>()
    };
    [group(&long, [4, 1, 9], 3), group(&short, [3, 6, 2], 6)].concat()
}

type Result = (Vec<f32>, BTreeMap<String, Vec<f32>>);

/// Log-probabilities and entropies, and the gradients of all parameters of a loss of both.
fn run(decoder: &Decoder, config: LearnerConfig, batch: &TokenBatch) -> Result {
    let mut learner = Learner::new(decoder.clone(), config);
    let temperature: Vec<f32> = (0..batch.rows).map(|row| 0.8 + 0.1 * row as f32).collect();
    let needs = Needs { entropy: true, ..Needs::NONE };
    let query = HeadQuery::new(needs, &temperature);
    let mut found = Vec::new();
    let report = learner.accumulate(batch, &query, &mut |stats| {
        let entropy = stats.entropy.unwrap();
        found = stats.logprobs.clone().into_data().iter::<f32>().collect();
        found.extend(entropy.clone().into_data().iter::<f32>());
        // Tokens weigh differently, so that none stands for another.
        let weights = stats.logprobs.clone() * stats.logprobs.clone() + entropy;
        Ok(Loss { total: weights.sum(), metrics: Vec::new() })
    });
    report.unwrap();
    let paths = learner.gradient_norms().unwrap().into_keys();
    let grad = |path: &String| learner.gradient(path).unwrap().into_data().iter::<f32>().collect();
    let grads = paths.map(|path| (path.clone(), grad(&path))).collect();
    (found, grads)
}

#[track_caller]
fn same((a_stats, a): &Result, (b_stats, b): &Result, tolerance: f32) {
    assert_eq!(a_stats.len(), b_stats.len());
    for (x, y) in a_stats.iter().zip(b_stats) {
        assert!((x - y).abs() < tolerance * y.abs().max(1.0), "{x} {y}");
    }
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (path, values) in a {
        let size = values.iter().fold(1.0_f32, |size, x| size.max(x.abs()));
        for (x, y) in values.iter().zip(&b[path]) {
            assert!((x - y).abs() < tolerance * size, "{path}: {x} {y} of {size}");
        }
    }
}

fn pairs(rows: &[(Vec<u32>, Vec<u32>)]) -> impl Iterator<Item = (&[u32], &[u32])> {
    rows.iter().map(|(prompt, completion)| (&prompt[..], &completion[..]))
}

#[test]
fn a_shared_prompt_gives_what_separate_ones_give() {
    let rows = rows();
    for config in configs() {
        println!("{:?}", config.family);
        let decoder = Decoder::init(&config, 4, &Device::flex());
        let (shared, apart) =
            (TokenBatch::shared(pairs(&rows)), TokenBatch::continuations(pairs(&rows)));
        let expected = run(&decoder, LearnerConfig::default(), &apart);
        // An expert to which no token was sent has a gradient of 0.
        let dense = expected.1.iter().filter(|(path, _)| !path.contains("experts"));
        for (path, grad) in dense {
            assert!(grad.iter().any(|x| *x != 0.0), "{path} has no gradient");
        }
        same(&run(&decoder, LearnerConfig::default(), &shared), &expected, 1e-5);
        let two = LearnerConfig { shards: 2, ..LearnerConfig::default() };
        same(&run(&decoder, two, &shared), &expected, 1e-5);
    }
}

#[test]
fn layers_that_are_run_again_give_the_same_gradients() {
    let rows = rows();
    let batch = TokenBatch::shared(pairs(&rows));
    for config in configs() {
        println!("{:?}", config.family);
        let decoder = Decoder::init(&config, 4, &Device::flex());
        let kept = LearnerConfig { router_aux_loss_coef: Some(0.1), ..LearnerConfig::default() };
        let again = LearnerConfig { gradient_checkpointing: true, ..kept.clone() };
        same(&run(&decoder, again, &batch), &run(&decoder, kept, &batch), 1e-5);
    }
}

#[test]
fn edits_of_the_input_are_the_same_for_shared_and_separate_prompts() {
    let rows = rows();
    let decoder = Decoder::init(&config(Family::Llama, json!({})), 4, &Device::flex());
    let edit = |mut batch: TokenBatch, noise: bool| {
        let other = |tokens: &Vec<u32>| tokens.iter().map(|t| (t + 5) % 61).collect();
        let lists = batch.segments.iter().map(|segment| other(&segment.tokens)).collect();
        batch.input_edit.blend = Some(Blend { tokens: lists, share: 0.3 });
        batch.input_edit.tokens = batch
            .segments
            .iter()
            .map(|segment| Some(segment.tokens.iter().map(|t| (t + 1) % 61).collect()))
            .collect();
        batch.input_edit.noise = noise.then_some(InputNoise { alpha: 5.0, seed: 3 });
        batch
    };
    let run = |batch| run(&decoder, LearnerConfig::default(), &batch);
    let (shared, apart) =
        (TokenBatch::shared(pairs(&rows)), TokenBatch::continuations(pairs(&rows)));
    let expected = run(edit(apart, false));
    same(&run(edit(shared.clone(), false)), &expected, 1e-5);
    // Noise is drawn for each row: it is there, and a shared prompt doesn't hinder it.
    let noisy = run(edit(shared, true));
    assert!(noisy.0.iter().zip(&expected.0).any(|(a, b)| (a - b).abs() > 1e-3));
}
