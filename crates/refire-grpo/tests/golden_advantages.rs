//! Group advantages against TRL's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken test should fail")]

mod golden;

use golden::{cases, close, matrix, numbers, text};
use refire_grpo::advantage::{GroupNorm, Scale, gdpo, group_norm, weighted_sum};
use serde_json::Value;

// TRL's Bessel factor is computed in 32 bits.
const TOLERANCE: f64 = 1e-6;

fn ours(case: &Value) -> Vec<f64> {
    let hyper = &case["hyper"];
    let rows = matrix(&case["inputs"]["rewards_per_func"]);
    let weights = numbers(&hyper["reward_weights"]);
    let eps = hyper["eps"].as_f64().unwrap_or(1e-4);
    let size = hyper["num_generations"].as_u64().unwrap() as usize;
    let groups: Vec<usize> = (0..rows.len()).map(|row| row / size).collect();
    let column = |k: usize| rows.iter().map(|row| Some(row[k]).filter(|r| !r.is_nan())).collect();
    let parts: Vec<Vec<Option<f64>>> = (0..weights.len()).map(column).collect();
    if text(&hyper["multi_objective_aggregation"], "") == "normalize_then_sum" {
        return gdpo(&parts, &weights, &groups, eps).unwrap();
    }
    let scale = match text(&hyper["scale_rewards"], "group") {
        "group" => Scale::Std,
        "none" => Scale::None,
        "batch" => Scale::Batch,
        other => panic!("unknown scale {other}"),
    };
    let rewards = weighted_sum(&parts, &weights).unwrap();
    group_norm(&rewards, &groups, &GroupNorm { scale, eps }).unwrap()
}

#[test]
fn trl_group_advantages() {
    for case in cases("golden/policy/trl_group_advantages.json") {
        let expected = numbers(&case["expected"]["advantages"]);
        close(&ours(&case), &expected, TOLERANCE, &case["name"].to_string());
    }
}
