//! The shared aggregation and KL estimators against verl's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken test should fail")]

mod golden;

use burn::tensor::Device;
use golden::{EXACT, cases, close, input, matrix, number, text, values};
use refire_objective::{Aggregation, Counts, KlEstimator, RowCount};
use serde_json::Value;

/// verl's aggregation and the totals it is given: those of this rank's share of the step.
fn aggregation(hyper: &Value, width: usize) -> Aggregation {
    let rows = RowCount::NonEmpty;
    match text(&hyper["loss_agg_mode"], "token-mean") {
        "token-mean" => Aggregation::TokenMean,
        "seq-mean-token-sum" => Aggregation::SeqMeanTokenSum { rows },
        "seq-mean-token-mean" => Aggregation::SeqMeanTokenMean { rows },
        "seq-mean-token-sum-norm" => {
            let length = hyper["loss_scale_factor"].as_f64().unwrap_or(width as f64);
            Aggregation::SumNorm { length, per_row: false }
        }
        other => panic!("unknown aggregation {other}"),
    }
}

fn totals(hyper: &Value) -> Option<Counts> {
    let ranks = hyper["dp_size"].as_f64()?;
    let rows = hyper["global_batch_size"].as_f64()? / ranks;
    let tokens = hyper["batch_num_tokens"].as_f64()? / ranks;
    Some(Counts { tokens, rows, nonempty_rows: rows, micro_batches: 1.0 })
}

#[test]
fn verl_agg_loss() {
    let device = Device::flex();
    for case in cases("golden/policy/verl_agg_loss.json") {
        let loss = input(&case, "loss_mat", &device).unwrap();
        let mask = input(&case, "mask", &device).unwrap();
        let how = aggregation(&case["hyper"], mask.dims()[1]);
        let counts = totals(&case["hyper"]);
        let name = case["name"].to_string();
        let expected = number(&case["expected"]["loss"]);
        // Of a batch without tokens verl's mean is NaN, ours 0.
        let expected = if expected.is_nan() { 0.0 } else { expected };

        // verl adds 1e-8 to its denominators.
        let ours = how.reduce(loss.clone(), mask.clone(), counts.as_ref());
        close(&values(ours), &[expected], 1e-7, &name);
        let visible = loss.mask_fill(mask.clone().equal_scalar(0.0), 0.0);
        let weighted = (how.weights(mask, counts.as_ref()) * visible).sum();
        close(&values(weighted), &[expected], 1e-7, &name);
    }
}

fn estimator(kind: &str) -> Option<KlEstimator> {
    Some(match kind {
        "k1" | "kl" => KlEstimator::K1,
        "k2" | "mse" => KlEstimator::K2,
        "k3" | "low_var_kl" => KlEstimator::K3,
        "abs" => KlEstimator::Abs,
        // Straight-through forms: verl raises on them.
        _ => return None,
    })
}

#[test]
fn verl_kl() {
    let device = Device::flex().autodiff();
    let all = cases("golden/policy/verl_kl.json");
    let mut compared = 0;
    for case in &all {
        let Some(estimator) = estimator(text(&case["hyper"]["kind"], "")) else { continue };
        let expected = matrix(&case["expected"]["kl"]).concat();
        let name = case["name"].to_string();
        let logprobs = input(case, "logp", &device).unwrap().require_grad();
        let reference = input(case, "ref_logp", &device).unwrap();
        let kl = estimator.per_token(logprobs.clone(), reference);
        let gradient = values(logprobs.grad(&kl.clone().sum().backward()).unwrap());
        let slopes = matrix(&case["expected"]["grad_of_sum"]).concat();
        for (index, ours) in values(kl).into_iter().enumerate() {
            // verl cuts k3 off at 10; ours has no bound.
            let cut = estimator == KlEstimator::K3 && ours.abs() > 10.0;
            if !cut {
                compared += 1;
                close(&[ours, gradient[index]], &[expected[index], slopes[index]], EXACT, &name);
            }
        }
    }
    assert!(all.is_empty() || compared > 0);
}
