//! Draws follow the distribution, and differ where they must.

use crate::common::{engine, engine_with, generate, learner, request};
use refire_core::{Finish, Purpose, Request, SamplingParams, Stream};
use refire_model::{Decode, HostDecoder, Work};
use refire_sample::EngineConfig;

/// Pearson's statistic over bins that expect at least 5, in deviations from its mean.
fn chi_square(counts: &[usize], probabilities: &[f64]) -> f64 {
    let n: usize = counts.iter().sum();
    let (mut rest, mut statistic, mut bins) = ((0.0, 0.0), 0.0, 0.0);
    let mut add = |found: f64, expected: f64| {
        statistic += (found - expected).powi(2) / expected;
        bins += 1.0;
    };
    for (count, p) in counts.iter().zip(probabilities) {
        let (found, expected) = (*count as f64, p * n as f64);
        if expected < 5.0 {
            rest = (rest.0 + found, rest.1 + expected);
        } else {
            add(found, expected);
        }
    }
    if rest.1 > 1.0 {
        add(rest.0, rest.1);
    }
    let freedom: f64 = bins - 1.0;
    assert!(freedom > 8.0, "too few bins to say anything: {bins}");
    (statistic - freedom) / (2.0 * freedom).sqrt()
}

/// Softmax of `logits / temperature` over the `k` largest.
fn softmax(logits: &[f64], temperature: f64, k: usize) -> Vec<f64> {
    let mut sorted = logits.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let weight =
        |x: &f64| if *x >= sorted[k - 1] { ((x - sorted[0]) / temperature).exp() } else { 0.0 };
    let total: f64 = logits.iter().map(weight).sum();
    logits.iter().map(|x| weight(x) / total).collect()
}

#[test]
fn tokens_come_as_often_as_the_softmax_says() {
    let learner = learner(64);
    for (temperature, top_k) in [(1.0, None), (0.7, None), (1.5, Some(25))] {
        let params =
            SamplingParams { temperature, top_k, max_tokens: 1, seed: 9, ..Default::default() };
        let asked = request(3, 20_000, params);
        let logits = learner.handle().with(|d, _| d.logits(&asked.prompt.tokens).unwrap()).unwrap();
        let logits: Vec<f64> = logits.into_data().iter::<f64>().collect();
        let last = &logits[logits.len() - 128..];
        let groups = generate(&mut engine(&learner), &[asked]);
        let mut counts = vec![0; 128];
        groups[0].completions.iter().for_each(|c| counts[c.tokens[0] as usize] += 1);
        let right = softmax(last, f64::from(temperature), top_k.unwrap_or(128));
        let deviations = chi_square(&counts, &right);
        assert!(deviations.abs() < 4.0, "{deviations} deviations at {temperature}, {top_k:?}");
        // The statistic sees a temperature that is wrong by a fifth.
        let wrong = softmax(last, f64::from(temperature) * 1.2, top_k.unwrap_or(128));
        let far = chi_square(&counts, &wrong);
        println!("temperature {temperature}, top-k {top_k:?}: {deviations:.2}, wrong {far:.1}");
        assert!(far > 8.0, "{far} deviations at a wrong temperature");
    }
}

#[test]
fn samples_visits_seeds_and_purposes_differ() {
    let learner = learner(64);
    let params = SamplingParams { max_tokens: 30, ignore_end: true, ..Default::default() };
    let base = request(1, 8, params);
    let draw = |request: &Request, purpose: &str| {
        let config = EngineConfig { purpose: purpose.to_owned(), ..Default::default() };
        let mut groups =
            generate(&mut engine_with(&learner, &[0], config), std::slice::from_ref(request));
        groups.remove(0).completions
    };
    let first = draw(&base, "rollout");
    let mut tokens: Vec<_> = first.iter().map(|c| &c.tokens).collect();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 8, "all samples of a group differ");
    assert_eq!(first, draw(&base, "rollout"));
    let mut seeded = base.clone();
    seeded.params.seed = 1;
    let mut renamed = base.clone();
    renamed.prompt.id += 1;
    let visited = Request { visit: 1, ..base.clone() };
    for (request, purpose) in
        [(&visited, "rollout"), (&seeded, "rollout"), (&renamed, "rollout"), (&base, "evaluation")]
    {
        let others = draw(request, purpose);
        assert!(first.iter().zip(&others).all(|(a, b)| a.tokens != b.tokens));
    }
    // The request's own id is no part of the key.
    let others = draw(&Request { id: 99, ..base }, "rollout");
    assert_eq!(first, others);
}

#[test]
fn every_token_comes_from_its_documented_draw() {
    let learner = learner(64);
    let host = learner.handle().with(|decoder, _| HostDecoder::new(decoder).unwrap()).unwrap();
    let params = SamplingParams { max_tokens: 25, ignore_end: true, seed: 6, ..Default::default() };
    let asked = Request { visit: 3, ..request(5, 3, params) };
    let config = EngineConfig { purpose: "evaluation".to_owned(), ..Default::default() };
    let groups = generate(&mut engine_with(&learner, &[0], config), std::slice::from_ref(&asked));
    for (sample, c) in groups[0].completions.iter().enumerate() {
        let (mut cache, mut logits) = (host.cache(None, 64), vec![0.0; host.vocab()]);
        let mut unread = asked.prompt.tokens.clone();
        for (position, token) in c.tokens.iter().enumerate() {
            let work = Work { tokens: &unread, cache: &mut cache, logits: &mut logits };
            host.forward(&mut [work]).unwrap();
            let wide: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
            let key = (6, Purpose::EVALUATION, 3, asked.prompt.id, sample as u64);
            let stream = Stream::new(key.0, key.1, key.2, key.3, key.4);
            let mut left = stream.at(position as u64).uniform();
            let expected = softmax(&wide, 1.0, 128).iter().position(|p| {
                left -= p;
                left < 0.0
            });
            assert_eq!(Some(*token as usize), expected, "sample {sample}, position {position}");
            unread = vec![*token];
        }
    }
}

#[test]
fn greedy_completions_are_all_the_same() {
    let learner = learner(64);
    let groups = generate(&mut engine(&learner), &[request(2, 3, SamplingParams::greedy(12))]);
    let [a, b, c] = groups[0].completions.as_slice() else { panic!("three completions") };
    assert!(a == b && b == c);
    assert!(a.behaviour_logprobs.iter().all(|x| *x == 0.0));
    assert!(a.model_logprobs.iter().any(|x| *x < 0.0));
}

#[test]
fn end_tokens_are_the_last_and_can_be_held_off_or_ignored() {
    let learner = learner(64);
    let params = SamplingParams {
        max_tokens: 60,
        stop_tokens: (40..60).collect(),
        seed: 5,
        ..Default::default()
    };
    let ends = |token: u32| token == 0 || (40..60).contains(&token);
    let held = SamplingParams { min_tokens: 12, ..params.clone() };
    let ignoring = SamplingParams { ignore_end: true, max_tokens: 40, ..params.clone() };
    let asked = [request(1, 40, params), request(1, 40, held), request(1, 40, ignoring)];
    let groups = generate(&mut engine(&learner), &asked);
    let (mut early, mut ended) = (0, 0);
    for c in &groups[0].completions {
        let Finish::EndToken { token } = c.finish else { continue };
        assert!(c.tokens.last() == Some(&token) && ends(token) && c.loss_mask.iter().all(|m| *m));
        assert!(c.tokens[..c.len() - 1].iter().all(|t| !ends(*t)));
        assert_eq!(c.text.chars().count(), c.len() - 1, "the end token has no text");
        early += usize::from(c.len() <= 12);
        ended += 1;
    }
    assert!(early > 5 && ended > 10, "{early} early, {ended} ended");
    for c in &groups[1].completions {
        assert!(c.len() > 12 && c.tokens[..12].iter().all(|t| !ends(*t)));
    }
    let ignored = &groups[2].completions;
    assert!(ignored.iter().all(|c| c.len() == 40 && c.finish == Finish::Length));
    assert!(ignored.iter().flat_map(|c| &c.tokens).any(|t| ends(*t)));
}
