//! A step made from the columns of a batch, for objectives that look at it beforehand.

#![allow(dead_code, reason = "each test binary uses its own part")]

use burn::tensor::Tensor;
use refire_core::{
    Columns, Completion, Finish, Group, Provenance, Ragged, Request, Score, Source, StepView,
};
use refire_objective::{Objective, StepContext, Targets, TokenStats};

pub(crate) fn completion(tokens: usize) -> Completion {
    Completion {
        tokens: vec![3; tokens],
        loss_mask: vec![true; tokens],
        model_logprobs: vec![-1.0; tokens],
        behaviour_logprobs: vec![-1.0; tokens],
        versions: vec![0; tokens],
        turns: Vec::new(),
        text: String::new(),
        finish: Finish::EndToken { token: 3 },
    }
}

pub(crate) fn group(completions: usize) -> Group {
    Group { request: Request::default(), completions: vec![completion(2); completions] }
}

fn rows(tensor: &Tensor<2>) -> Vec<Vec<f32>> {
    let width = tensor.dims()[1];
    let all: Vec<f32> = tensor.clone().into_data().iter::<f32>().collect();
    all.chunks(width).map(<[f32]>::to_vec).collect()
}

/// What the objective learns from a step that is one batch, each row a group.
pub(crate) fn prepare(
    objective: &mut dyn Objective,
    stats: &TokenStats,
    targets: &Targets,
) -> StepContext {
    let [count, width] = targets.mask.dims();
    let from = Provenance { source: Source::Given, version: 0, temperature: None };
    let entropy = stats.entropy.as_ref().map(|h| Ragged::from_rows(rows(h), from));
    let mask: Vec<Vec<bool>> =
        rows(&targets.mask).iter().map(|row| row.iter().map(|m| *m != 0.0).collect()).collect();
    let groups: Vec<Group> = (0..count)
        .map(|_| Group { request: Request::default(), completions: vec![completion(width)] })
        .collect();
    let step = StepView {
        step: 0,
        groups: &groups,
        scores: &vec![Score::value(0.0); count],
        mask: &mask,
        columns: &Columns { entropy, ..Columns::default() },
        advantages: None,
    };
    step.validate().unwrap();
    objective.prepare(&step).unwrap()
}
