//! The gradient of a step doesn't depend on how it is split.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use refire::core::{Needs, Purpose, Stream};
use refire::grpo::{PolicyLossConfig, preset};
use refire::objective::{
    Counts, HeadQuery, Objective, Policy, StepContext, Targets, TokenBatch, padded,
};
use std::collections::BTreeMap;

struct Rows {
    prompt: Vec<Vec<u32>>,
    completion: Vec<Vec<u32>>,
    advantages: Vec<f32>,
    reference: Vec<Vec<f32>>,
}

fn rows() -> Rows {
    let mut stream = Stream::new(1, Purpose::DATA, 0, 0, 0);
    let mut tokens = |low: usize, high: usize| -> Vec<u32> {
        let n = low + stream.below(high - low + 1);
        (0..n).map(|_| stream.below(38) as u32).collect()
    };
    let prompt = (0..8).map(|_| tokens(2, 5)).collect();
    let completion: Vec<Vec<u32>> = (0..8).map(|_| tokens(1, 9)).collect();
    let reference = completion.iter().map(|c| c.iter().map(|t| -2.0 - *t as f32 / 20.0).collect());
    Rows {
        prompt,
        reference: reference.collect(),
        completion,
        advantages: (0..8).map(|i| [1.5, -1.0, 0.3, -0.8][i % 4]).collect(),
    }
}

/// Gradients after a step split into micro-batches of so many rows, and the loss.
fn gradients(config: &PolicyLossConfig, size: usize) -> (BTreeMap<String, Vec<f32>>, f64) {
    let rows = rows();
    let objective = config.build().unwrap();
    let mut learner = common::learner(None);
    let masks: Vec<Vec<bool>> = rows.completion.iter().map(|c| vec![true; c.len()]).collect();
    let parts: Vec<Vec<usize>> =
        (0..8).collect::<Vec<_>>().chunks(size).map(<[usize]>::to_vec).collect();
    let counts = Counts::of(&masks, parts.len());
    let device = learner.device();
    let mut loss = 0.0;
    for part in parts {
        let pairs = part.iter().map(|i| (&rows.prompt[*i][..], &rows.completion[*i][..]));
        let batch = TokenBatch::continuations(pairs);
        let mask = padded::mask(part.iter().map(|i| &masks[*i][..]), batch.width, &device);
        let advantages: Vec<Vec<f32>> =
            part.iter().map(|i| vec![rows.advantages[*i]; rows.completion[*i].len()]).collect();
        let column = |values: Vec<&[f32]>| Some(padded::floats(values, batch.width, &device));
        let mut targets = Targets::new(mask);
        targets.advantages = column(advantages.iter().map(Vec::as_slice).collect());
        targets.ref_logprobs = column(part.iter().map(|i| &rows.reference[*i][..]).collect());
        let temperature = vec![0.8; part.len()];
        let query = HeadQuery::new(Needs::NONE, &temperature);
        let report = learner.accumulate(&batch, &query, &mut |stats| {
            objective.loss(&stats, &targets, &StepContext::empty(), &counts)
        });
        loss += report.unwrap().total;
    }
    let paths: Vec<String> = learner.gradient_norms().unwrap().into_keys().collect();
    let values = |path: &str| learner.gradient(path).unwrap().into_data().iter::<f32>().collect();
    (paths.iter().map(|path| (path.clone(), values(path))).collect(), loss)
}

#[test]
fn micro_batches_of_one_two_and_all_rows_agree() {
    for recipe in [preset::grpo(), preset::dapo(), preset::dr_grpo()] {
        let (whole, loss) = gradients(&recipe.loss, 8);
        for size in [1, 2, 3] {
            let (split, split_loss) = gradients(&recipe.loss, size);
            assert!((loss - split_loss).abs() < 1e-5, "{loss} {split_loss}");
            assert_eq!(whole.len(), split.len());
            for (path, values) in &whole {
                let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt();
                assert!(norm > 0.0, "{path} has no gradient");
                for (a, b) in values.iter().zip(&split[path]) {
                    assert!((a - b).abs() < 1e-5 * norm.max(1.0), "{path}: {a} {b}");
                }
            }
        }
    }
}
