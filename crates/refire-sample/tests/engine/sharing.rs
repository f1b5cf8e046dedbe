//! Prompts that begin alike, and bounds on the memory of caches.

use crate::common::{engine, engine_with, generate, learner, request};
use refire_core::{Request, SamplingParams};
use refire_sample::EngineConfig;

fn few_shot(count: u64, n: usize) -> Vec<Request> {
    let shots: Vec<u32> = (0..60).map(|i| 1 + (i * 7) % 100).collect();
    let params = SamplingParams { max_tokens: 10, ignore_end: true, ..Default::default() };
    (0..count)
        .map(|id| {
            let mut asked = request(id, n, params.clone());
            asked.prompt.tokens = [shots.as_slice(), &asked.prompt.tokens].concat();
            asked
        })
        .collect()
}

#[test]
fn a_common_beginning_costs_memory_once() {
    let learner = learner(128);
    let (requests, per_token) = (few_shot(20, 2), 2 * 2 * 96 * 4);
    let engine = engine(&learner);
    let longest = requests.iter().map(|r| r.prompt.tokens.len()).max().unwrap();
    let memory = engine.memory(&requests).unwrap();
    assert_eq!(memory, (60 + 40 * (longest - 60 + 9)) * per_token);
}

#[test]
fn sharing_changes_no_bit() {
    let learner = learner(128);
    let requests = few_shot(12, 2);
    let together = generate(&mut engine(&learner), &requests);
    for (request, group) in requests.iter().zip(&together) {
        // A request alone shares with nobody.
        let alone = generate(&mut engine(&learner), std::slice::from_ref(request));
        assert_eq!(alone[0].completions, group.completions);
    }
    for max_prefill_tokens in [1, 7, 61] {
        let config = EngineConfig { max_prefill_tokens, max_slots: 5, ..Default::default() };
        let pieces = generate(&mut engine_with(&learner, &[0], config), &requests);
        assert_eq!(pieces, together);
    }
}

#[test]
fn memory_stays_within_its_bound() {
    let learner = learner(128);
    let requests = few_shot(6, 4);
    let expected = generate(&mut engine(&learner), &requests);
    let per_token = 2 * 2 * 96 * 4;
    // One completion at a time, several, and all.
    for most in [80, 150, 10_000] {
        let config = EngineConfig { max_cache_tokens: Some(most), ..Default::default() };
        let mut engine = engine_with(&learner, &[0], config);
        assert!(engine.memory(&requests).unwrap() <= most * per_token);
        assert_eq!(generate(&mut engine, &requests), expected);
        // Again, with caches that are there already, and with shorter ones.
        assert_eq!(generate(&mut engine, &requests), expected);
        let short = SamplingParams { max_tokens: 3, ..requests[0].params.clone() };
        let short = Request { params: short, ..requests[0].clone() };
        assert_eq!(generate(&mut engine, &[short])[0].completions[0].len(), 3);
    }
}
