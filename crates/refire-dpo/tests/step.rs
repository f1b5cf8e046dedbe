//! What objectives learn of a step through a trainer's view of it.
#![allow(clippy::unwrap_used, clippy::panic)]

use refire_core::{
    BoxError, Columns, Completion, Finish, Group, Provenance, Ragged, Request, Score, Source,
    StepView,
};
use refire_dpo::{BcoConfig, DpoConfig, KtoConfig, PairLoss, PreferenceStep, StepRow};
use refire_objective::Objective;

fn completion(tokens: usize) -> Completion {
    Completion {
        tokens: vec![1; tokens],
        loss_mask: vec![true; tokens],
        model_logprobs: vec![0.0; tokens],
        behaviour_logprobs: vec![0.0; tokens],
        versions: vec![0; tokens],
        turns: Vec::new(),
        text: String::new(),
        finish: Finish::EndToken { token: 1 },
    }
}

fn group(completions: &[usize]) -> Group {
    Group {
        request: Request::default(),
        completions: completions.iter().map(|tokens| completion(*tokens)).collect(),
    }
}

/// One pair, and a mismatched row.
struct Step {
    groups: Vec<Group>,
    scores: Vec<Score>,
    mask: Vec<Vec<bool>>,
    columns: Columns,
}

impl Step {
    fn new() -> Self {
        let column = |rows: [Vec<f32>; 3]| {
            let from = Provenance { source: Source::Given, version: 0, temperature: None };
            Some(Ragged::from_rows(rows, from))
        };
        Self {
            groups: vec![group(&[2, 1]), group(&[1])],
            scores: vec![Score::value(1.0), Score::value(0.0), Score::unscorable("mismatched")],
            mask: vec![vec![true, false], vec![true], vec![false]],
            columns: Columns {
                old_logprobs: column([vec![-1.0, -8.0], vec![-2.0], vec![-0.5]]),
                ref_logprobs: column([vec![-3.0, -9.0], vec![-1.0], vec![-2.5]]),
                ..Columns::default()
            },
        }
    }

    fn view(&self) -> StepView<'_> {
        StepView {
            step: 0,
            groups: &self.groups,
            scores: &self.scores,
            mask: &self.mask,
            columns: &self.columns,
            advantages: None,
        }
    }
}

#[test]
fn rows_are_sums_over_what_counts() -> Result<(), BoxError> {
    let step = Step::new();
    let rows = PreferenceStep::of(&step.view())?.rows;
    let row = |group, label, tokens, logps, ref_logps| StepRow {
        group,
        label,
        tokens,
        logps: Some(logps),
        ref_logps: Some(ref_logps),
    };
    let expected = [
        row(0, Some(1.0), 1, -1.0, -3.0),
        row(0, Some(0.0), 1, -2.0, -1.0),
        // Its mask in the step is empty: nobody trains on it.
        row(1, None, 1, -0.5, -2.5),
    ];
    assert_eq!(rows, expected);
    Ok(())
}

#[test]
fn objectives_prepare_from_the_view() -> Result<(), BoxError> {
    let step = Step::new();
    let mut kto = KtoConfig::default().build()?;
    kto.prepare(&step.view())?;
    let mut bco = BcoConfig { beta: 1.0 }.build()?;
    bco.prepare(&step.view())?;
    assert_eq!(bco.delta(), 0.5);
    let mut aot = DpoConfig::of(PairLoss::Aot { label_smoothing: 0.0 }, 0.1).build()?;
    aot.prepare(&step.view())?;
    Ok(())
}

#[test]
fn columns_that_are_needed_are_missed() {
    let mut step = Step::new();
    step.columns.old_logprobs = None;
    let error = KtoConfig::default().build().unwrap().prepare(&step.view()).err().unwrap();
    assert!(error.to_string().contains("old_logprobs"), "{error}");
}
