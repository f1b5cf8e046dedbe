//! Completions that talk to an environment.

use crate::common::{engine, generate, learner, request};
use refire_core::{
    Author, BoxError, Completion, Environment, Finish, Flow, RolloutEngine, SamplingParams,
    SingleTurn,
};

/// Says the same a number of times, then what `last` says.
struct Says {
    tokens: Vec<u32>,
    times: usize,
    last: fn() -> Result<Option<Vec<u32>>, BoxError>,
}

impl Environment for Says {
    fn reply(&mut self, so_far: &Completion) -> Result<Option<Vec<u32>>, BoxError> {
        assert!(so_far.validate().is_ok() && !so_far.turns.is_empty());
        if self.times == 0 {
            return (self.last)();
        }
        self.times -= 1;
        Ok(Some(self.tokens.clone()))
    }
}

fn ending() -> SamplingParams {
    SamplingParams { max_tokens: 60, stop_tokens: (0..50).collect(), ..Default::default() }
}

fn run(params: SamplingParams, say: impl Fn() -> Says) -> refire_sample::Episodes {
    let learner = learner(64);
    let mut make = |_: &_, _| -> Box<dyn Environment> { Box::new(say()) };
    let asked = [request(1, 12, params)];
    engine(&learner).generate_with(&asked, &mut make, &mut |_| Flow::Continue).unwrap()
}

#[test]
fn replies_join_with_mask_false() {
    let say = || Says { tokens: vec![72, 105], times: 2, last: || Ok(None) };
    let episodes = run(ending(), say);
    assert!(episodes.failures.is_empty());
    let mut whole = 0;
    for c in &episodes.groups[0].completions {
        c.validate().unwrap();
        let mut end = 0;
        for (index, turn) in c.turns.iter().enumerate() {
            let policy = index % 2 == 0;
            assert_eq!((turn.author == Author::Policy, turn.start), (policy, end));
            assert!(c.loss_mask[turn.start..turn.end].iter().all(|mask| *mask == policy));
            if !policy {
                assert_eq!(c.tokens[turn.start..turn.end], [72, 105]);
                assert_eq!(turn.text, "Hi");
                assert!(c.model_logprobs[turn.start..turn.end].iter().all(|x| *x == 0.0));
            }
            end = turn.end;
        }
        assert_eq!(end, c.len());
        assert_eq!(c.text, c.turns.iter().map(|t| t.text.as_str()).collect::<String>());
        whole += usize::from(c.finish == Finish::Environment && c.turns.len() == 5);
    }
    assert!(whole > 3, "only {whole} episodes came to their end");
}

#[test]
fn logprobs_see_the_replies() {
    // The whole episode, read as one completion, has the policy's log-probabilities.
    let learner = learner(64);
    let say = || Says { tokens: vec![72, 105], times: 1, last: || Ok(None) };
    let episodes = run(ending(), say);
    let logits = |tokens: &[u32]| -> Vec<f64> {
        let all = learner.handle().with(|d, _| d.logits(tokens).unwrap()).unwrap();
        all.into_data().iter::<f64>().collect()
    };
    let prompt = &episodes.groups[0].request.prompt.tokens;
    let mut after = 0;
    for c in episodes.groups[0].completions.iter().take(4) {
        let logits = logits(&[prompt.as_slice(), &c.tokens].concat());
        for (i, token) in c.tokens.iter().enumerate().filter(|(i, _)| c.loss_mask[*i]) {
            let row = &logits[(prompt.len() + i - 1) * 128..][..128];
            let total: f64 = row.iter().map(|x| x.exp()).sum();
            let expected = row[*token as usize] - total.ln();
            assert!((f64::from(c.model_logprobs[i]) - expected).abs() < 1e-4);
            after += usize::from(c.loss_mask[..i].contains(&false));
        }
    }
    assert!(after > 0, "some tokens come after a reply");
}

#[test]
fn a_silent_environment_changes_only_the_finish() {
    let learner = learner(64);
    let asked = [request(1, 12, ending())];
    let mut make = |_: &_, _| -> Box<dyn Environment> { Box::new(SingleTurn) };
    let mut engine = engine(&learner);
    let silent = engine.generate_with(&asked, &mut make, &mut |_| Flow::Continue).unwrap();
    let plain = generate(&mut engine, &asked);
    for (a, b) in silent.groups[0].completions.iter().zip(&plain[0].completions) {
        assert_eq!((&a.tokens, &a.text, &a.turns), (&b.tokens, &b.text, &b.turns));
        let ended = matches!(b.finish, Finish::EndToken { .. });
        assert_eq!(a.finish == Finish::Environment, ended);
    }
}

#[test]
fn replies_without_room_truncate() {
    let say = || Says { tokens: vec![72; 200], times: 9, last: || Ok(None) };
    for c in &run(ending(), say).groups[0].completions {
        assert!(c.is_truncated() && c.loss_mask.iter().all(|mask| *mask));
    }
}

#[test]
fn failures_are_reported_and_lose_nothing() {
    let fails = || Says { tokens: vec![72], times: 1, last: || Err("the tool broke".into()) };
    let unknown = || Says { tokens: vec![72], times: 1, last: || Ok(Some(vec![128])) };
    for (say, what) in [(&fails as &dyn Fn() -> Says, "the tool broke"), (&unknown, "128")] {
        let episodes = run(ending(), say);
        assert!(!episodes.failures.is_empty());
        for failure in &episodes.failures {
            assert!(failure.error.to_string().contains(what));
            let c = &episodes.groups[failure.request].completions[failure.sample];
            assert_eq!(c.finish, Finish::Cancelled);
            assert!(c.turns.len() == 3 && c.validate().is_ok());
        }
    }
}

#[test]
fn slots_change_no_episode() {
    let learner = learner(64);
    let asked = [request(1, 6, ending()), request(2, 6, ending())];
    let mut all = Vec::new();
    for max_slots in [1, 5, 64] {
        let config = refire_sample::EngineConfig { max_slots, ..Default::default() };
        let mut engine = crate::common::engine_with(&learner, &[0], config);
        let mut make = |_: &_, sample| -> Box<dyn Environment> {
            Box::new(Says { tokens: vec![72, 105], times: sample, last: || Ok(None) })
        };
        let episodes = engine.generate_with(&asked, &mut make, &mut |_| Flow::Continue).unwrap();
        assert_eq!(engine.weights_version(), 0);
        all.push(episodes.groups);
    }
    assert!(all[0] == all[1] && all[1] == all[2]);
}

#[test]
fn stop_texts_end_turns_and_are_looked_for_anew() {
    let say = || Says { tokens: vec![72, 105], times: 3, last: || Ok(None) };
    let stop: Vec<String> = ('a'..='z').map(|c| c.to_string()).collect();
    let params = SamplingParams { max_tokens: 60, stop, ignore_end: true, ..Default::default() };
    let mut stopped = 0;
    for c in &run(params, say).groups[0].completions {
        let policy = c.turns.iter().filter(|turn| turn.author == Author::Policy);
        for (index, turn) in policy.enumerate() {
            let tokens = &c.tokens[turn.start..turn.end];
            let whole: String = tokens.iter().filter_map(|t| char::from_u32(*t)).collect();
            let cut = whole.find(|c: char| c.is_ascii_lowercase()).unwrap_or(whole.len());
            assert_eq!(turn.text, whole[..cut]);
            stopped += usize::from(index > 0 && cut < whole.len());
        }
    }
    assert!(stopped > 5, "only {stopped} later turns were stopped");
}
