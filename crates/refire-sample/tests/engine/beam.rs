//! Beam search against exhaustive search, and against greedy decoding.

use crate::common::{engine, engine_with, generate, learner, request};
use refire_core::{Finish, Request, SamplingParams};
use refire_model::{Decode, HostDecoder, Learner, Work};
use refire_sample::{BeamSearch, EarlyStopping, EngineConfig, LocalEngine, SampleError};

fn logprobs(host: &HostDecoder, tokens: &[u32]) -> Vec<f64> {
    let (mut cache, mut logits) = (host.cache(None, tokens.len()), vec![0.0; host.vocab()]);
    host.forward(&mut [Work { tokens, cache: &mut cache, logits: &mut logits }]).unwrap();
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total = logits.iter().map(|x| f64::from(x - max).exp()).sum::<f64>().ln();
    logits.iter().map(|x| f64::from(x - max) - total).collect()
}

fn host(learner: &Learner) -> HostDecoder {
    learner.handle().with(|decoder, _| HostDecoder::new(decoder).unwrap()).unwrap()
}

fn search(
    engine: &mut LocalEngine,
    asked: &Request,
    beams: usize,
    keep: usize,
) -> Vec<refire_sample::Beam> {
    let settings = BeamSearch { beams, keep, ..Default::default() };
    engine.beam_search(asked, &settings).unwrap()
}

#[test]
fn one_beam_is_greedy() {
    let learner = learner(64);
    for id in 0..6 {
        let asked = request(id, 1, SamplingParams::greedy(15));
        let greedy = generate(&mut engine(&learner), std::slice::from_ref(&asked));
        let found = search(&mut engine(&learner), &asked, 1, 1);
        // A search may go on where the greedy completion has ended, and find a better one.
        if greedy[0].completions[0].finish == Finish::Length {
            let completion = &greedy[0].completions[0];
            assert_eq!(&found[0].completion, completion);
            let sum: f64 = completion.model_logprobs.iter().map(|x| f64::from(*x)).sum();
            assert!((found[0].score - sum / 15.0).abs() < 1e-5);
        }
    }
}

#[test]
fn with_all_beams_it_is_exhaustive() {
    let learner = learner(64);
    let host = host(&learner);
    let params = SamplingParams { ignore_end: true, ..SamplingParams::greedy(2) };
    let asked = request(4, 1, params);
    let first = logprobs(&host, &asked.prompt.tokens);
    let mut all = Vec::new();
    for (a, p) in (0..).zip(&first) {
        let tokens = [asked.prompt.tokens.as_slice(), &[a]].concat();
        all.extend((0..).zip(logprobs(&host, &tokens)).map(|(b, q)| (p + q, vec![a, b])));
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let found = search(&mut engine(&learner), &asked, 128, 20);
    for (beam, (sum, tokens)) in found.iter().zip(&all) {
        assert_eq!(&beam.completion.tokens, tokens);
        assert!((beam.score - sum / 2.0).abs() < 1e-5);
    }
}

#[test]
fn branches_keep_their_own_caches() {
    // Scores and log-probabilities of each beam equal those of the tokens read afresh.
    let learner = learner(64);
    let host = host(&learner);
    let asked = request(7, 1, SamplingParams::greedy(14));
    for early_stopping in [EarlyStopping::WhenFull, EarlyStopping::Heuristic, EarlyStopping::Never]
    {
        let settings = BeamSearch { beams: 6, keep: 6, length_penalty: 0.7, early_stopping };
        let mut engine = engine(&learner);
        let found = engine.beam_search(&asked, &settings).unwrap();
        assert!(!found.is_empty() && found.windows(2).all(|pair| pair[0].score >= pair[1].score));
        for beam in &found {
            let c = &beam.completion;
            c.validate().unwrap();
            let mut tokens = asked.prompt.tokens.clone();
            let mut sum = 0.0;
            for (token, logprob) in c.tokens.iter().zip(&c.model_logprobs) {
                let expected = logprobs(&host, &tokens)[*token as usize];
                assert!((f64::from(*logprob) - expected).abs() < 1e-4);
                sum += expected;
                tokens.push(*token);
            }
            assert!((beam.score - sum / (c.len() as f64).powf(0.7)).abs() < 1e-4);
        }
        let again = engine.beam_search(&asked, &settings).unwrap();
        assert_eq!(again, found, "caches that were used before change nothing");
    }
}

#[test]
fn processors_hold_for_beams() {
    let learner = learner(64);
    let params = SamplingParams {
        allowed_tokens: Some((20..50).collect()),
        no_repeat_ngram: Some(1),
        ignore_end: true,
        ..SamplingParams::greedy(10)
    };
    for beam in search(&mut engine(&learner), &request(2, 1, params), 5, 5) {
        let mut tokens = beam.completion.tokens.clone();
        assert!(tokens.iter().all(|token| (20..50).contains(token)));
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), 10, "no token twice");
    }
}

#[test]
fn beams_stay_within_the_memory_there_may_be() {
    let learner = learner(64);
    let asked = request(4, 1, SamplingParams::greedy(10));
    let needed = asked.prompt.tokens.len() + 10 * 4;
    let bounded = |most| EngineConfig { max_cache_tokens: Some(most), ..Default::default() };
    let expected = search(&mut engine(&learner), &asked, 4, 2);
    let mut enough = engine_with(&learner, &[0], bounded(needed));
    assert_eq!(search(&mut enough, &asked, 4, 2), expected);
    let mut small = engine_with(&learner, &[0], bounded(needed - 1));
    let settings = BeamSearch { beams: 4, keep: 2, ..Default::default() };
    let error = small.beam_search(&asked, &settings).unwrap_err();
    let SampleError::CacheTokens { needed: found, most, .. } = error else { panic!("{error}") };
    assert_eq!((found, most), (needed, needed - 1));
}

#[test]
fn what_it_cannot_do_is_refused() {
    let learner = learner(64);
    let mut engine = engine(&learner);
    let greedy = SamplingParams::greedy(5);
    let drawn = SamplingParams { temperature: 1.0, ..greedy.clone() };
    let stops = SamplingParams { stop: vec!["a".to_owned()], ..greedy.clone() };
    for (params, what) in [(drawn, "temperature"), (stops, "stop")] {
        let error = engine.beam_search(&request(1, 1, params), &BeamSearch::default()).unwrap_err();
        assert!(matches!(error, SampleError::Params { .. }) && error.to_string().contains(what));
    }
    let settings = BeamSearch { beams: 2, keep: 3, ..Default::default() };
    let error = engine.beam_search(&request(1, 1, greedy), &settings).unwrap_err();
    assert!(error.to_string().contains("keep"), "{error}");
}
