//! Thinking that is held between two lengths.

use crate::common::{engine, generate, learner, request};
use refire_core::{Author, BudgetForcing, Completion, Finish, SamplingParams};

const WAIT: [u32; 2] = [87, 97];
const ANSWER: [u32; 3] = [65, 58, 32];

fn forced(budget: BudgetForcing, max_tokens: usize) -> Vec<Completion> {
    let stop_tokens = (30..50).collect();
    let params = SamplingParams { max_tokens, stop_tokens, ..Default::default() };
    let params = SamplingParams { budget: Some(budget), ..params };
    let completions =
        generate(&mut engine(&learner(128)), &[request(3, 100, params)]).remove(0).completions;
    for c in &completions {
        c.validate().unwrap();
        for turn in c.turns.iter().filter(|turn| turn.author == Author::Environment) {
            let span = turn.start..turn.end;
            assert!(c.loss_mask[span.clone()].iter().all(|mask| !mask));
            assert!(c.model_logprobs[span.clone()].iter().all(|x| *x == 0.0));
            assert!(c.behaviour_logprobs[span].iter().all(|x| *x == 0.0));
        }
        let text: String = c.turns.iter().map(|turn| turn.text.as_str()).collect();
        assert_eq!(c.text, text);
    }
    completions
}

fn written(c: &Completion) -> Vec<&[u32]> {
    let turns = c.turns.iter().filter(|turn| turn.author == Author::Environment);
    turns.map(|turn| &c.tokens[turn.start..turn.end]).collect()
}

fn ends(token: u32) -> bool {
    token == 0 || (30..50).contains(&token)
}

#[test]
fn ends_are_turned_away_as_often_as_wanted() {
    let ends_: Vec<u32> = [0].into_iter().chain(30..50).collect();
    for waits in [0, 1, 3] {
        let wait = WAIT.to_vec();
        let budget = BudgetForcing { ends: ends_.clone(), wait, waits, ..Default::default() };
        let completions = forced(budget, 90);
        let mut whole = 0;
        for c in &completions {
            assert!(written(c).iter().all(|text| *text == WAIT) && written(c).len() <= waits);
            let drawn = c.tokens.iter().zip(&c.loss_mask).filter(|(_, mask)| **mask);
            let found = drawn.filter(|(token, _)| ends(**token)).count();
            if let Finish::EndToken { token } = c.finish {
                assert!(written(c).len() == waits && found == 1 && c.tokens.last() == Some(&token));
                whole += 1;
            } else {
                assert_eq!(found, 0, "an end that was turned away is not there");
            }
        }
        assert!(whole > 30, "{whole} of 100 ended with {waits} waits");
    }
}

#[test]
fn the_answer_begins_at_the_budget() {
    let ends_: Vec<u32> = (51..57).collect();
    let (budget, answer) = (Some(8), ANSWER.to_vec());
    let completions =
        forced(BudgetForcing { ends: ends_.clone(), budget, answer, ..Default::default() }, 60);
    let (mut answered, mut by_itself) = (0, 0);
    for c in &completions {
        let thought = c.tokens.iter().position(|token| ends_.contains(token)).filter(|at| *at < 8);
        let ended = c.tokens.iter().position(|token| ends(*token)).filter(|at| *at < 8);
        if thought.is_some() || ended.is_some() {
            by_itself += usize::from(thought.is_some());
            assert!(written(c).is_empty());
        } else {
            answered += 1;
            assert_eq!((written(c), &c.tokens[8..11]), (vec![&ANSWER[..]], &ANSWER[..]));
        }
    }
    assert!(answered > 5 && by_itself > 0, "{answered} answered, {by_itself} by themselves");
}

#[test]
fn what_leaves_no_room_is_not_written() {
    let ends: Vec<u32> = [0].into_iter().chain(30..50).collect();
    let budget =
        BudgetForcing { ends, wait: vec![87; 9], waits: 5, budget: Some(3), answer: vec![65; 9] };
    for c in forced(budget, 10) {
        assert!(c.len() <= 10);
        assert!(c.loss_mask.last() == Some(&true), "the last token is the policy's");
    }
}

#[test]
fn draws_beside_it_are_unchanged() {
    let learner = learner(64);
    let plain = SamplingParams { max_tokens: 20, ..Default::default() };
    let budget = BudgetForcing { budget: Some(12), answer: ANSWER.to_vec(), ..Default::default() };
    let with = SamplingParams { budget: Some(budget), ..plain.clone() };
    let groups = generate(&mut engine(&learner), &[request(1, 8, plain), request(1, 8, with)]);
    for (a, b) in groups[0].completions.iter().zip(&groups[1].completions) {
        let same = a.len().min(12);
        assert_eq!(a.tokens[..same], b.tokens[..same]);
        assert_eq!(a.model_logprobs[..same], b.model_logprobs[..same]);
    }
}
