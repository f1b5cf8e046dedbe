//! Going on from a partial completion.

use crate::common::{engine, generate, learner, processors, request};
use refire_core::{
    Completion, Finish, Flow, Request, RolloutEngine, RolloutEvent, SamplingParams, WeightUpdate,
};
use refire_sample::LocalEngine;

fn cancelled_after(engine: &mut LocalEngine, request: &Request, tokens: usize) -> Completion {
    let mut seen = 0;
    let mut groups = engine
        .generate(std::slice::from_ref(request), &mut |event| {
            seen += usize::from(matches!(event, RolloutEvent::Token { .. }));
            if seen == tokens { Flow::CancelAll } else { Flow::Continue }
        })
        .unwrap();
    groups.remove(0).completions.remove(0)
}

#[test]
fn equals_going_through() {
    let learner = learner(64);
    let mut engine = engine(&learner);
    for id in 0..8 {
        let params = SamplingParams {
            max_tokens: 40,
            top_p: (id % 2 == 0).then_some(0.9),
            ignore_end: id % 3 == 0,
            min_tokens: if id % 3 == 1 { 30 } else { 0 },
            ..Default::default()
        };
        let mut asked = request(id, 1, params);
        let whole =
            generate(&mut engine, std::slice::from_ref(&asked)).remove(0).completions.remove(0);
        if id % 2 == 1 && whole.text.chars().count() > 8 {
            // A stop text that begins before the cut and ends after it.
            let half = whole.text.chars().count() / 2;
            asked.params.stop = vec![whole.text.chars().skip(half - 2).take(4).collect()];
        }
        let whole =
            generate(&mut engine, std::slice::from_ref(&asked)).remove(0).completions.remove(0);
        for tokens in [1, 2, whole.len() / 2, whole.len() - 2, whole.len() - 1] {
            if tokens == 0 || tokens >= whole.len() {
                continue;
            }
            let partial = cancelled_after(&mut engine, &asked, tokens);
            assert_eq!((partial.len(), &partial.finish), (tokens, &Finish::Cancelled));
            let resume = Request { resume: Some(partial), ..asked.clone() };
            let resumed = generate(&mut engine, &[resume]).remove(0).completions.remove(0);
            assert_eq!(resumed, whole, "request {id} from {tokens} of {}", whole.len());
        }
    }
}

#[test]
fn equals_going_through_whatever_the_processors() {
    let learner = learner(64);
    let mut engine = engine(&learner);
    for (id, params) in (0..).zip(processors()) {
        let asked = request(id, 1, params);
        let whole =
            generate(&mut engine, std::slice::from_ref(&asked)).remove(0).completions.remove(0);
        for tokens in [1, whole.len() / 2, whole.len() - 1] {
            let drawn = whole.loss_mask.iter().filter(|mask| **mask).count();
            if tokens == 0 || tokens >= drawn {
                continue;
            }
            let partial = cancelled_after(&mut engine, &asked, tokens);
            let resume = Request { resume: Some(partial), ..asked.clone() };
            let resumed = generate(&mut engine, &[resume]).remove(0).completions.remove(0);
            assert_eq!(resumed, whole, "from {tokens}: {:?}", asked.params);
        }
    }
}

#[test]
fn new_tokens_have_the_new_version() {
    let learner = learner(64);
    let mut engine = engine(&learner);
    let params = SamplingParams { max_tokens: 10, ignore_end: true, ..Default::default() };
    let asked = request(1, 1, params.clone());
    let mut partial = cancelled_after(&mut engine, &asked, 4);
    partial.model_logprobs[0] = -77.0;
    partial.loss_mask[1] = false;
    engine.refresh(&WeightUpdate::InProcess { version: 9 }).unwrap();
    assert_eq!(engine.weights_version(), 9);
    let resume = Request { resume: Some(partial.clone()), ..asked };
    let resumed = generate(&mut engine, &[resume]).remove(0).completions.remove(0);
    assert_eq!(resumed.versions, [0, 0, 0, 0, 9, 9, 9, 9, 9, 9]);
    assert_eq!(resumed.model_logprobs[..4], partial.model_logprobs);
    assert_eq!(resumed.loss_mask[..4], partial.loss_mask);
}

#[test]
fn a_completion_at_its_limit_comes_back_as_it_is() {
    let learner = learner(64);
    let params = SamplingParams { max_tokens: 6, ignore_end: true, ..Default::default() };
    let asked = request(1, 1, params);
    let mut engine = engine(&learner);
    let whole = generate(&mut engine, std::slice::from_ref(&asked)).remove(0).completions.remove(0);
    let resume = Request { resume: Some(whole.clone()), ..asked.clone() };
    let mut finished = 0;
    let groups = engine
        .generate(&[resume, asked], &mut |event| {
            finished += usize::from(matches!(event, RolloutEvent::Finished { .. }));
            Flow::Continue
        })
        .unwrap();
    assert_eq!(groups[0].completions, std::slice::from_ref(&whole));
    assert_eq!(groups[1].completions, [whole]);
    assert_eq!(finished, 2);
}
