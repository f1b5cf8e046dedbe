//! Stop texts, lengths, cancellation, events.

use crate::common::{engine, engine_with, generate, learner, request};
use refire_core::{
    Author, Finish, Flow, Request, RolloutEngine, RolloutEvent, SamplingParams, Turn,
};
use refire_sample::EngineConfig;

fn free(max_tokens: usize) -> SamplingParams {
    SamplingParams { max_tokens, ignore_end: true, ..Default::default() }
}

#[test]
fn stop_texts_cut_the_text_and_keep_the_tokens() {
    let learner = learner(64);
    let plain = request(4, 6, free(40));
    let whole = generate(&mut engine(&learner), std::slice::from_ref(&plain)).remove(0).completions;
    for (sample, uncut) in whole.iter().enumerate() {
        // Each character is a token: a text of three is three tokens.
        let stop: String = uncut.text.chars().skip(15).take(3).collect();
        let at = uncut.text.find(&stop).unwrap();
        let mut stopped = plain.clone();
        stopped.params.stop = vec!["never there".to_owned(), stop.clone()];
        let found = &generate(&mut engine(&learner), &[stopped])[0].completions[sample];
        assert_eq!(found.finish, Finish::StopText { text: stop });
        assert_eq!(found.text, uncut.text[..at]);
        let tokens = uncut.text[..at].chars().count() + 3;
        assert_eq!(found.tokens, uncut.tokens[..tokens]);
        assert_eq!(found.model_logprobs, uncut.model_logprobs[..tokens]);
        let turn = Turn { author: Author::Policy, start: 0, end: tokens, text: found.text.clone() };
        assert_eq!(found.turns, [turn]);
    }
}

#[test]
fn reaching_a_limit_is_a_truncation() {
    let learner = learner(32);
    let groups =
        generate(&mut engine(&learner), &[request(1, 2, free(5)), request(8, 2, free(500))]);
    let prompt = groups[1].request.prompt.tokens.len();
    for (group, length) in groups.iter().zip([5, 32 - prompt]) {
        for c in &group.completions {
            assert!(c.is_truncated() && c.len() == length && c.validate().is_ok());
            assert_eq!(c.text.chars().count(), length);
        }
    }
}

#[test]
fn events_are_in_order_and_complete() {
    let learner = learner(64);
    let config = EngineConfig { max_slots: 3, ..Default::default() };
    let requests = [request(1, 2, free(4)), request(2, 3, free(3))];
    let mut events = Vec::new();
    let mut engine = engine_with(&learner, &[0], config);
    let groups = engine
        .generate(&requests, &mut |event| {
            events.push(match event {
                RolloutEvent::Token { request, sample, token } => (request, sample, Some(token)),
                RolloutEvent::Finished { request, sample, .. } => (request, sample, None),
                _ => panic!("unknown event"),
            });
            Flow::Continue
        })
        .unwrap();
    let order: Vec<_> = events.iter().map(|(r, s, t)| (*r, *s, t.is_some())).collect();
    let mut expected = Vec::new();
    let (t, f) = (true, false);
    for last in [f, f, t] {
        expected.extend([(0, 0, t), (0, 1, t), (1, 0, t)]);
        expected.extend(last.then_some((1, 0, f)));
    }
    // Its slot serves the next sample at once.
    expected.extend([(0, 0, t), (0, 0, f), (0, 1, t), (0, 1, f), (1, 1, t)]);
    for last in [f, t] {
        expected.push((1, 1, t));
        expected.extend(last.then_some((1, 1, f)));
        expected.push((1, 2, t));
    }
    expected.extend([(1, 2, t), (1, 2, f)]);
    assert_eq!(order, expected);
    for (r, group) in groups.iter().enumerate() {
        for (s, c) in group.completions.iter().enumerate() {
            let heard = events.iter().filter(|e| (e.0, e.1) == (r, s)).filter_map(|e| e.2);
            assert_eq!(heard.collect::<Vec<_>>(), c.tokens);
        }
    }
}

#[test]
fn one_completion_can_be_cancelled() {
    let learner = learner(64);
    let asked = [request(1, 3, free(20)), request(2, 2, free(20))];
    let whole = generate(&mut engine(&learner), &asked);
    let mut seen = 0;
    let groups = engine(&learner)
        .generate(&asked, &mut |event| match event {
            RolloutEvent::Token { request: 0, sample: 1, .. } => {
                seen += 1;
                if seen == 7 { Flow::CancelOne } else { Flow::Continue }
            }
            _ => Flow::Continue,
        })
        .unwrap();
    let cancelled = &groups[0].completions[1];
    let uncut = &whole[0].completions[1];
    assert_eq!(cancelled.finish, Finish::Cancelled);
    assert_eq!(cancelled.tokens, uncut.tokens[..7]);
    assert_eq!(cancelled.text.chars().count(), 7);
    for (r, s) in [(0, 0), (0, 2), (1, 0), (1, 1)] {
        assert_eq!(groups[r].completions[s], whole[r].completions[s]);
    }
}

#[test]
fn a_whole_call_can_be_cancelled_and_nothing_is_lost() {
    let learner = learner(64);
    let asked: Vec<Request> = (0..6).map(|id| request(id, 2, free(20))).collect();
    let whole = generate(&mut engine(&learner), &asked);
    let config = EngineConfig { max_slots: 5, ..Default::default() };
    let mut engine = engine_with(&learner, &[0], config);
    let (mut tokens, mut finished) = (0, 0);
    let groups = engine
        .generate(&asked, &mut |event| {
            match event {
                RolloutEvent::Token { .. } => tokens += 1,
                RolloutEvent::Finished { .. } => finished += 1,
                _ => {}
            }
            if tokens == 33 { Flow::CancelAll } else { Flow::Continue }
        })
        .unwrap();
    let all: Vec<_> = groups.iter().flat_map(|g| &g.completions).collect();
    assert_eq!((tokens, finished, all.len()), (33, 12, 12));
    assert_eq!(all.iter().map(|c| c.len()).sum::<usize>(), 33);
    let wholes = whole.iter().flat_map(|g| &g.completions);
    for (c, uncut) in all.iter().zip(wholes) {
        assert_eq!(c.finish, Finish::Cancelled);
        assert_eq!(c.tokens, uncut.tokens[..c.len()]);
        assert_eq!(c.turns.len(), usize::from(!c.is_empty()));
    }
    // The engine goes on working.
    assert_eq!(generate(&mut engine, &asked), whole);
}

#[test]
fn memory_is_known_beforehand() {
    let learner = learner(64);
    // Two layers of keys and values, 96 wide, in 4 bytes.
    let per_token = 2 * 2 * 96 * 4;
    let asked = [request(1, 3, free(20)), request(2, 2, free(11))];
    let prompts = asked.iter().map(|r| r.prompt.tokens.len()).sum::<usize>();
    let memory = engine(&learner).memory(&asked).unwrap();
    assert_eq!(memory, (5 * 19 + prompts) * per_token);
    let config = EngineConfig { max_slots: 1, ..Default::default() };
    let longest = asked.iter().map(|r| r.prompt.tokens.len()).max().unwrap();
    let memory = engine_with(&learner, &[0], config).memory(&asked).unwrap();
    assert_eq!(memory, (19 + longest) * per_token);
}
