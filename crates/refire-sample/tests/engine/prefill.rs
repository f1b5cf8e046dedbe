//! Replies whose beginning somebody else wrote.

use crate::common::{engine, generate, learner, request};
use refire_core::{Author, Completion, Finish, Prompt, Request, SamplingParams};

#[test]
fn a_group_goes_on_from_it() {
    let learner = learner(64);
    let params = SamplingParams { max_tokens: 20, ..Default::default() };
    let start = Completion::prefill(vec![72, 105, 33], "Hi!".to_owned());
    let asked = Request { resume: Some(start), ..request(4, 6, params.clone()) };
    let group = generate(&mut engine(&learner), std::slice::from_ref(&asked)).remove(0);
    // The same distribution as with the beginning in the prompt.
    let tokens = [asked.prompt.tokens.as_slice(), &[72, 105, 33]].concat();
    let prompt = Prompt { tokens, ..asked.prompt.clone() };
    let plain = Request { prompt, ..request(4, 6, params) };
    let logits = generate(&mut engine(&learner), &[plain]).remove(0);
    let mut distinct = Vec::new();
    for (c, other) in group.completions.iter().zip(&logits.completions) {
        c.validate().unwrap();
        assert_eq!(c.tokens[..3], [72, 105, 33]);
        assert_eq!(c.loss_mask[..3], [false; 3]);
        assert!(c.loss_mask[3..].iter().all(|mask| *mask) && c.len() > 3);
        assert!(c.text.starts_with("Hi!") && c.turns[0].author == Author::Environment);
        let same = c.tokens[3] == other.tokens[0];
        assert!(!same || c.model_logprobs[3] == other.model_logprobs[0]);
        distinct.push(c.tokens.clone());
    }
    distinct.sort();
    distinct.dedup();
    assert!(distinct.len() > 1);
}

#[test]
fn an_empty_one_changes_nothing() {
    let learner = learner(64);
    let params = SamplingParams { max_tokens: 9, ..Default::default() };
    let plain = request(4, 3, params);
    let start = Completion::prefill(Vec::new(), String::new());
    let asked = Request { resume: Some(start), ..plain.clone() };
    let groups = generate(&mut engine(&learner), &[plain, asked]);
    assert_eq!(groups[0].completions, groups[1].completions);
    assert!(groups[0].completions.iter().all(|c| c.finish != Finish::Cancelled));
}
