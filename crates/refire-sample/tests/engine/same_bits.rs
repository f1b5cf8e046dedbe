//! A completion doesn't depend on its company.

use crate::common::{engine_with, generate, learner, processors, request};
use burn::tensor::Device;
use refire_core::{Completion, Request, SamplingParams};
use refire_model::{Decoder, Learner, LearnerConfig, TinyLlama};
use refire_sample::EngineConfig;
use std::collections::BTreeMap;

fn requests(count: u64, n: usize) -> Vec<Request> {
    (0..count)
        .map(|id| {
            let params = SamplingParams {
                temperature: [1.0, 0.7, 1.5, 0.0][id as usize % 4],
                top_k: (id % 3 == 0).then_some(50),
                top_p: (id % 5 == 0).then_some(0.95),
                max_tokens: 20 + (id as usize * 7) % 45,
                min_tokens: id as usize % 15,
                stop: if id % 6 == 1 { vec!["ab".to_owned(), "\n".to_owned()] } else { vec![] },
                ignore_end: id % 2 == 0,
                seed: id / 10,
                ..Default::default()
            };
            Request { visit: id % 2, ..request(id, n, params) }
        })
        .collect()
}

/// Every processor, and prompts that share their beginnings.
fn with_processors() -> Vec<Request> {
    let shared: Vec<u32> = (0..20).map(|i| 5 + i * 3).collect();
    let make = |(params, id): (SamplingParams, u64)| {
        let mut request = request(id, 1 + id as usize % 3, params);
        if id % 3 == 0 {
            request.prompt.tokens = [shared.as_slice(), &[7 + id as u32 % 4]].concat();
        }
        request
    };
    processors().into_iter().zip(200..).map(make).collect()
}

/// All completions by request id, with their log-probabilities as bits.
fn run(
    learner: &Learner,
    requests: &[Request],
    slots: usize,
    prefill: usize,
    threads: usize,
) -> BTreeMap<(u64, usize), (Completion, Vec<u32>)> {
    let config =
        EngineConfig { max_slots: slots, max_prefill_tokens: prefill, ..Default::default() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let groups = pool.install(|| generate(&mut engine_with(learner, &[0], config), requests));
    let mut all = BTreeMap::new();
    for group in groups {
        for (sample, c) in group.completions.into_iter().enumerate() {
            let bits = c.model_logprobs.iter().chain(&c.behaviour_logprobs);
            let bits = bits.map(|x| x.to_bits()).collect();
            all.insert((group.request.id, sample), (c, bits));
        }
    }
    all
}

fn check(learner: &Learner, requests: &[Request], least: usize) {
    let expected = run(learner, requests, 64, 4096, 2);
    let tokens: usize = expected.values().map(|(c, _)| c.len()).sum();
    assert!(tokens >= least, "only {tokens} tokens");
    let mut turned = requests.to_vec();
    turned.reverse();
    for (slots, prefill, threads) in [(1, 4096, 1), (7, 3, 2), (7, 20, 1), (64, 64, 1), (512, 1, 2)]
    {
        let what = format!("{slots} slots, {prefill} prompt tokens, {threads} threads");
        assert!(run(learner, requests, slots, prefill, threads) == expected, "{what}");
        assert!(run(learner, &turned, slots, prefill, threads) == expected, "{what}, reversed");
    }
    // Alone, and as a smaller group.
    for request in requests.iter().step_by(5) {
        let alone = Request { n: request.n.div_ceil(2), ..request.clone() };
        for (key, completion) in run(learner, &[alone], 64, 4096, 2) {
            assert!(completion == expected[&key], "request {} alone", request.id);
        }
    }
}

#[test]
fn slots_order_and_threads_change_no_bit() {
    check(&learner(64), &requests(60, 6), 10_000);
}

#[test]
fn whatever_the_processors() {
    check(&learner(64), &with_processors(), 1_000);
}

#[test]
fn a_bound_on_cache_tokens_changes_no_bit() {
    let learner = learner(64);
    let requests = [requests(20, 3), with_processors()].concat();
    let expected = run(&learner, &requests, 64, 4096, 2);
    for most in [84, 200, 1000] {
        let config = EngineConfig {
            max_cache_tokens: Some(most),
            max_prefill_tokens: 9,
            ..Default::default()
        };
        let mut engine = engine_with(&learner, &[0], config);
        assert!(engine.memory(&requests).unwrap() <= most * 1536);
        for (group, request) in generate(&mut engine, &requests).iter().zip(&requests) {
            for (sample, completion) in group.completions.iter().enumerate() {
                assert!(*completion == expected[&(request.id, sample)].0, "at most {most}");
            }
        }
    }
}

#[test]
fn nor_in_a_model_whose_products_are_shared_among_threads() {
    let shape =
        TinyLlama { hidden_size: 256, intermediate_size: 768, layers: 3, ..TinyLlama::default() };
    let mut config = shape.config();
    config.initializer_range = 0.08;
    assert!(config.parameters() > 2_000_000);
    let learner =
        Learner::new(Decoder::init(&config, 1, &Device::flex()), LearnerConfig::default());
    check(&learner, &requests(10, 2), 300);
}
