//! Processors and draws against transformers.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use refire_core::{Purpose, SamplingParams, Stream};
use refire_sample::{
    Chain, DrawBuffer, LogitsProcessor, MinP, MinTokens, Sampler, Temperature, TokenContext, TopK,
    TopP,
};
use serde_json::Value;

const TOLERANCE: f32 = 1e-5;

fn number(value: &Value) -> f32 {
    match value {
        Value::Null => f32::NEG_INFINITY,
        Value::String(text) => text.parse().unwrap(),
        _ => value.as_f64().unwrap() as f32,
    }
}

fn rows(value: &Value) -> Vec<Vec<f32>> {
    let row = |row: &Value| row.as_array().unwrap().iter().map(number).collect();
    value.as_array().unwrap().iter().map(row).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

fn float(case: &Value, name: &str) -> f32 {
    case["params"][name].as_f64().unwrap() as f32
}

fn count(case: &Value, name: &str) -> usize {
    case["params"][name].as_u64().unwrap() as usize
}

fn min_keep(case: &Value) -> usize {
    case["params"]["min_tokens_to_keep"].as_u64().unwrap_or(1) as usize
}

/// The reference, and all cases of one kind.
fn cases(kind: &str) -> Vec<Value> {
    let Some(path) = common::data("golden/sampler/samplers.json") else { return Vec::new() };
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let cases = all["processors"][kind].as_array().unwrap().clone();
    assert!(!cases.is_empty(), "no case of {kind}");
    cases
}

fn assert_close(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        let tolerance = TOLERANCE * b.abs().max(1.0);
        assert!(a == b || (a - b).abs() < tolerance, "{what}, token {i}: {a} instead of {b}");
    }
}

fn check(kind: &str, make: impl Fn(&Value) -> Box<dyn LogitsProcessor>) {
    for (index, case) in cases(kind).iter().enumerate() {
        let prompt = case["params"]["prompt_len"].as_u64().unwrap_or(0) as usize;
        let inputs = case["input_ids"].as_array().unwrap();
        let mut processor = make(case);
        let pairs = rows(&case["scores"]).into_iter().zip(rows(&case["out"]));
        for ((mut logits, expected), input) in pairs.zip(inputs) {
            let input = ids(input);
            let (prompt, output) = input.split_at(prompt);
            processor.process(&TokenContext { prompt, output }, &mut logits);
            assert_close(&logits, &expected, &format!("{kind}, case {index}"));
        }
    }
}

#[test]
fn temperature() {
    check("temperature", |case| Box::new(Temperature::new(float(case, "temperature"))));
}

#[test]
fn top_k() {
    check("top_k", |case| Box::new(TopK::new(count(case, "top_k")).with_min_keep(min_keep(case))));
}

#[test]
fn top_p() {
    check("top_p", |case| Box::new(TopP::new(float(case, "top_p")).with_min_keep(min_keep(case))));
}

#[test]
fn min_p() {
    check("min_p", |case| Box::new(MinP::new(float(case, "min_p")).with_min_keep(min_keep(case))));
}

#[test]
fn min_tokens() {
    check("min_new_tokens", |case| {
        Box::new(MinTokens::new(count(case, "min_new"), ids(&case["params"]["eos"])))
    });
}

/// What a chained case asks for, if it asks for nothing beyond these processors.
fn chain_params(case: &Value) -> Option<(SamplingParams, Vec<u32>)> {
    let off = [("repetition_penalty", 1.0), ("no_repeat_ngram", 0.0), ("typical_p", 1.0)];
    let ours = off.iter().all(|(name, value)| float(case, name) == *value);
    let params = SamplingParams {
        temperature: float(case, "temperature"),
        top_k: Some(count(case, "top_k")).filter(|k| *k > 0),
        top_p: Some(float(case, "top_p")),
        min_p: Some(float(case, "min_p")),
        max_tokens: usize::MAX,
        min_tokens: count(case, "min_new"),
        ..Default::default()
    };
    ours.then(|| (params, ids(&case["params"]["eos"])))
}

#[test]
fn chains_and_both_logprobs() {
    let cases = cases("chain_transformers_order");
    let ours: Vec<&Value> = cases.iter().filter(|case| chain_params(case).is_some()).collect();
    assert!(cases.is_empty() || !ours.is_empty(), "no chained case could be checked");
    println!("{} of {} chained cases use only these processors", ours.len(), cases.len());
    for case in ours {
        let (params, ends) = chain_params(case).unwrap();
        assert!(params.validate().is_empty());
        for (row, logits) in rows(&case["scores"]).iter().enumerate() {
            let input = ids(&case["input_ids"][row]);
            let (prompt, output) = input.split_at(count(case, "prompt_len"));
            let context = TokenContext { prompt, output };
            let mut processed = logits.clone();
            Chain::new(&params, &ends).process(&context, &mut processed);
            assert_close(&processed, &rows(&case["out"])[row], "chain");
            let [raw, scaled, left] =
                ["raw_logprobs", "temperature_only_logprobs", "processed_logprobs"]
                    .map(|name| rows(&case[name])[row].clone());
            let mut buffer = DrawBuffer::default();
            let mut seen = vec![false; logits.len()];
            let mut sampler = Sampler::new(&params, &ends);
            for i in 0..1000 {
                let uniform = f64::from(i) / 1000.0;
                let drawn =
                    sampler.draw(&context, &mut logits.clone(), uniform, &mut buffer).unwrap();
                let token = drawn.token as usize;
                seen[token] = true;
                assert_close(&[drawn.model_logprob], &[scaled[token]], "model_logprob");
                assert_close(&[drawn.behaviour_logprob], &[left[token]], "behaviour_logprob");
            }
            for (token, logprob) in left.iter().enumerate() {
                assert!(seen[token] || *logprob < 0.001_f32.ln(), "token {token} was never drawn");
            }
            let greedy = SamplingParams { temperature: 0.0, ..Default::default() };
            let mut sampler = Sampler::new(&greedy, &[]);
            let drawn = sampler.draw(&context, &mut logits.clone(), 0.5, &mut buffer).unwrap();
            let best = raw.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(
                logits[drawn.token as usize],
                logits.iter().copied().fold(f32::MIN, f32::max)
            );
            assert_close(&[drawn.model_logprob], &[best], "raw log-probability");
            assert_eq!(drawn.behaviour_logprob, 0.0);
        }
    }
}

fn drawn(params: &SamplingParams, ends: &[u32], logits: &[f32], uniform: f64) -> Option<u32> {
    let context = TokenContext { prompt: &[0], output: &[] };
    let (mut logits, mut buffer) = (logits.to_vec(), DrawBuffer::default());
    let drawn = Sampler::new(params, ends).draw(&context, &mut logits, uniform, &mut buffer);
    drawn.map(|d| d.token)
}

#[test]
fn greedy_takes_the_first_of_equal_maxima() {
    let greedy = SamplingParams::greedy(4);
    assert_eq!(drawn(&greedy, &[], &[0.0, 2.0, 2.0], 0.9), Some(1));
    let held = SamplingParams { min_tokens: 1, ..greedy };
    assert_eq!(drawn(&held, &[1], &[0.0, 2.0, 2.0], 0.0), Some(2));
}

#[test]
fn the_ends_of_the_unit_interval() {
    let (none, params) = (f32::NEG_INFINITY, SamplingParams::default());
    let almost_one = 1.0 - f64::EPSILON / 2.0;
    assert_eq!(drawn(&params, &[], &[none, 1.0, none, 1.0, none], 0.0), Some(1));
    assert_eq!(drawn(&params, &[], &[none, 1.0, none, 1.0, none], almost_one), Some(3));
}

#[test]
fn logits_without_a_distribution_give_nothing() {
    let none = f32::NEG_INFINITY;
    for temperature in [0.0, 1.0] {
        let params = SamplingParams { temperature, ..Default::default() };
        for logits in [[none, none], [f32::NAN, 0.0], [f32::INFINITY, 0.0]] {
            assert_eq!(drawn(&params, &[], &logits, 0.5), None, "{logits:?}");
        }
        let held = SamplingParams { min_tokens: 1, ..params };
        assert_eq!(drawn(&held, &[0, 1], &[0.0, 0.0], 0.5), None, "every token is held off");
    }
}

/// Reference semantics by a plain sort, on random logits with ties and masked entries.
#[test]
fn truncation_agrees_with_a_plain_sort() {
    let mut stream = Stream::new(11, Purpose::named("test"), 0, 0, 0);
    let context = TokenContext { prompt: &[], output: &[] };
    let mut dropped = 0;
    for case in 0..300 {
        let vocab = 2 + stream.below(400);
        let logits: Vec<f32> = (0..vocab)
            .map(|_| match stream.below(10) {
                0 => f32::NEG_INFINITY,
                _ => (stream.normal() * 12.0).round() as f32 / 4.0,
            })
            .collect();
        if logits.iter().all(|x| !x.is_finite()) {
            continue;
        }
        let mut order: Vec<usize> = (0..vocab).collect();
        order.sort_by(|a, b| logits[*a].total_cmp(&logits[*b]));
        let k = 1 + stream.below(vocab);
        let mut ours = logits.clone();
        TopK::new(k).process(&context, &mut ours);
        let kth = logits[order[vocab - k]];
        for (ours, x) in ours.iter().zip(&logits) {
            assert_eq!(*ours, if *x < kth { f32::NEG_INFINITY } else { *x }, "case {case}");
        }
        // No cumulative sum hits a random p exactly.
        let p = 0.05 + 0.9 * stream.uniform();
        let mut ours = logits.clone();
        TopP::new(p as f32).process(&context, &mut ours);
        let weights: Vec<f64> = order.iter().map(|t| f64::from(logits[*t]).exp()).collect();
        let (total, mut sum) = (weights.iter().sum::<f64>(), 0.0);
        for (rank, token) in order.iter().enumerate() {
            sum += weights[rank];
            let stays = sum / total > 1.0 - f64::from(p as f32) || rank + 1 == vocab;
            dropped += usize::from(!stays);
            let expected = if stays { logits[*token] } else { f32::NEG_INFINITY };
            assert_eq!(ours[*token], expected, "case {case}, token {token}");
        }
    }
    assert!(dropped > 1000, "the cases truncate");
}
