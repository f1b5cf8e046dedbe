//! Two policies in one distribution.

use crate::common::{engine, generate, learner, learner_of, request};
use refire_core::{Completion, Request, SamplingParams};
use refire_model::Learner;

fn params(blend: Option<f32>) -> SamplingParams {
    SamplingParams { temperature: 0.8, max_tokens: 12, blend, seed: 3, ..Default::default() }
}

fn run(own: &Learner, partner: &Learner, asked: &[Request]) -> Vec<Vec<Completion>> {
    let mut engine = engine(own).with_partner(&partner.handle()).unwrap();
    generate(&mut engine, asked).into_iter().map(|group| group.completions).collect()
}

/// Log-probabilities of every token id after a prefix.
fn logprobs(learner: &Learner, tokens: &[u32]) -> Vec<f64> {
    let logits = learner.handle().with(|d, _| d.logits(tokens).unwrap()).unwrap();
    let logits: Vec<f64> = logits.into_data().iter::<f64>().collect();
    let last = &logits[logits.len() - 128..];
    log_softmax(last.iter().copied())
}

fn log_softmax(row: impl Iterator<Item = f64> + Clone) -> Vec<f64> {
    let total = row.clone().map(f64::exp).sum::<f64>().ln();
    row.map(|x| x - total).collect()
}

#[test]
fn logprobs_are_those_of_the_blend() {
    let (own, partner) = (learner(64), learner_of(64, 8));
    for w in [0.0, 0.4, 1.0, 1.6] {
        let asked = request(5, 4, params(Some(w)));
        let completions = run(&own, &partner, std::slice::from_ref(&asked)).remove(0);
        for c in &completions {
            let mut tokens = asked.prompt.tokens.clone();
            for (at, token) in c.tokens.iter().enumerate() {
                let (mine, theirs) = (logprobs(&own, &tokens), logprobs(&partner, &tokens));
                let w = f64::from(w);
                let blend = mine.iter().zip(&theirs).map(|(a, b)| (w * a + (1.0 - w) * b) / 0.8);
                let behaviour = log_softmax(blend.into_iter())[*token as usize];
                let model = log_softmax(mine.iter().map(|x| x / 0.8))[*token as usize];
                assert!((f64::from(c.behaviour_logprobs[at]) - behaviour).abs() < 1e-4);
                assert!((f64::from(c.model_logprobs[at]) - model).abs() < 1e-4);
                tokens.push(*token);
            }
        }
    }
}

#[test]
fn the_ends_of_the_blend_are_the_policies() {
    let (own, partner) = (learner(64), learner_of(64, 8));
    let tokens = |completions: &[Completion]| -> Vec<Vec<u32>> {
        completions.iter().map(|c| c.tokens.clone()).collect()
    };
    let asked = |w| request(5, 6, params(w));
    let blended = run(&own, &partner, &[asked(Some(1.0)), asked(Some(0.0)), asked(None)]);
    let mine = generate(&mut engine(&own), &[asked(None)]).remove(0).completions;
    let theirs = generate(&mut engine(&partner), &[asked(None)]).remove(0).completions;
    assert_eq!(blended[2], mine, "who blends doesn't matter to who doesn't");
    assert_eq!(tokens(&blended[0]), tokens(&mine));
    assert_eq!(tokens(&blended[1]), tokens(&theirs));
    assert_ne!(tokens(&mine), tokens(&theirs));
}

#[test]
fn blends_do_not_depend_on_company() {
    let (own, partner) = (learner(64), learner_of(64, 8));
    let asked: Vec<Request> = (0..9)
        .map(|id| request(id, 3, params([None, Some(0.3), Some(1.4)][id as usize % 3])))
        .collect();
    let together = run(&own, &partner, &asked);
    for (asked, expected) in asked.iter().zip(&together) {
        assert_eq!(&run(&own, &partner, std::slice::from_ref(asked))[0], expected);
    }
}
