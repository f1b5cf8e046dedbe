//! A step made from the columns of a batch, for objectives that look at it beforehand.

use super::batch::Batch;
use refire_core::{
    AdvantageValues, Advantages, Columns, Completion, Finish, Group, Provenance, Ragged, Request,
    Score, Source, StepView,
};
use refire_objective::{Objective, StepContext};

pub(crate) const FROM: Provenance =
    Provenance { source: Source::Given, version: 0, temperature: None };

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

pub(crate) fn singles(rows: &[Vec<f64>]) -> Vec<Vec<f32>> {
    rows.iter().map(|row| row.iter().map(|v| *v as f32).collect()).collect()
}

pub(crate) fn ragged(rows: &[Vec<f64>]) -> Ragged {
    Ragged::from_rows(singles(rows), FROM)
}

/// What the objective learns from a step that is this batch, each row a group.
pub(crate) fn prepare(objective: &mut dyn Objective, batch: &Batch) -> StepContext {
    prepare_at(objective, batch, 0)
}

pub(crate) fn prepare_at(objective: &mut dyn Objective, batch: &Batch, step: u64) -> StepContext {
    let width = batch.width();
    let groups: Vec<Group> = singles(&batch.behaviour)
        .into_iter()
        .map(|behaviour_logprobs| {
            let completion = Completion { behaviour_logprobs, ..completion(width) };
            Group { request: Request::default(), completions: vec![completion] }
        })
        .collect();
    let scores = vec![Score::value(0.0); groups.len()];
    let mask = batch.flags();
    let columns = Columns {
        entropy: Some(ragged(&batch.entropy)),
        old_logprobs: Some(ragged(batch.old.as_ref().unwrap_or(&batch.logprobs))),
        ref_logprobs: Some(ragged(&batch.reference)),
        ..Columns::default()
    };
    let values = AdvantageValues::PerToken(ragged(&batch.advantages));
    let advantages = Advantages { values, returns: None };
    let view = StepView {
        step,
        groups: &groups,
        scores: &scores,
        mask: &mask,
        columns: &columns,
        advantages: Some(&advantages),
    };
    objective.prepare(&view).unwrap()
}
