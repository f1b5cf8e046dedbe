//! The policy loss against verl's and TRL's: values, gradients and metrics, in 64 bits.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken test should fail")]

mod golden;
mod step;

use burn::tensor::{Device, Tensor};
use golden::{EXACT, advantages, cases, close, input, matrix, number, text, values};
use refire_core::{Metrics, Needs};
use refire_grpo::loss::{ClipOptions, ClipRange, RatioLevel, clipped_surrogate};
use refire_grpo::mask::{quantile, top_entropy_mask};
use refire_grpo::{PolicyLoss, PolicyLossConfig};
use refire_objective::{Aggregation, Counts, Objective, RowCount, Targets, TokenStats};
use serde_json::Value;

// verl adds 1e-8 to the length of a row.
const PADDED: f64 = 1e-7;

struct Case {
    name: String,
    stats: TokenStats,
    targets: Targets,
    counts: Counts,
}

fn case(value: &Value, weights: &str, device: &Device) -> Case {
    let mask = input(value, "mask", device).unwrap();
    let rows = matrix(&value["inputs"]["mask"]);
    let flags = rows.iter().map(|row| row.iter().map(|m| *m != 0.0).collect::<Vec<_>>());
    let mut stats = TokenStats::from_logprobs(input(value, "logp", device).unwrap().require_grad());
    stats.entropy = input(value, "entropy", device);
    let mut targets = Targets::new(mask.clone());
    targets.advantages = Some(advantages(value, mask.dims(), device));
    targets.old_logprobs = input(value, "old_logp", device);
    targets.ref_logprobs = input(value, "ref_logp", device);
    targets.behaviour_logprobs = input(value, "sampling_logp", device);
    targets.weights = input(value, weights, device);
    Case { name: value["name"].to_string(), stats, targets, counts: Counts::of(flags, 1) }
}

/// Loss, gradient and metrics as the objective gives them.
fn run(case: &Case, config: PolicyLossConfig) -> (f64, Vec<f64>, Metrics) {
    let mut objective = PolicyLoss::new(config).unwrap();
    let context = step::prepare(&mut objective, &case.stats, &case.targets);
    let loss = objective.loss(&case.stats, &case.targets, &context, &case.counts).unwrap();
    let gradient = case.stats.logprobs.grad(&loss.total.backward()).unwrap();
    let mut metrics = Metrics::default();
    metrics.extend(loss.metrics);
    (loss.total.into_scalar::<f64>(), values(gradient), metrics)
}

fn verl_aggregation(mode: &str, width: usize) -> Aggregation {
    let rows = RowCount::NonEmpty;
    match mode {
        "token-mean" => Aggregation::TokenMean,
        "seq-mean-token-mean" => Aggregation::SeqMeanTokenMean { rows },
        "seq-mean-token-sum" => Aggregation::SeqMeanTokenSum { rows },
        "seq-mean-token-sum-norm" => Aggregation::SumNorm { length: width as f64, per_row: false },
        other => panic!("unknown aggregation {other}"),
    }
}

fn verl_config(hyper: &Value, width: usize) -> PolicyLossConfig {
    let clip = hyper["clip_ratio"].as_f64().unwrap_or(0.2);
    let range = ClipRange {
        low: hyper["clip_ratio_low"].as_f64().unwrap_or(clip),
        high: hyper["clip_ratio_high"].as_f64().unwrap_or(clip),
    };
    PolicyLossConfig {
        clip_range: range,
        dual_clip: Some(hyper["clip_ratio_c"].as_f64().unwrap_or(3.0)),
        log_ratio_clamp: Some(20.0),
        aggregation: verl_aggregation(text(&hyper["loss_agg_mode"], "token-mean"), width),
        ..PolicyLossConfig::default()
    }
}

#[test]
fn verl_ppo_clip() {
    let device = Device::flex().autodiff();
    for value in cases("golden/policy/verl_ppo_clip.json") {
        let case = case(&value, "rollout_is_weights", &device);
        let config = verl_config(&value["hyper"], case.targets.mask.dims()[1]);
        let expected = &value["expected"];

        let (loss, gradient, _) = run(&case, config.clone());
        let theirs = number(&expected["loss"]);
        // Of a batch without tokens verl's mean is NaN, ours 0.
        let theirs = if case.counts.tokens == 0.0 { 0.0 } else { theirs };
        let by_length = matches!(config.aggregation, Aggregation::SeqMeanTokenMean { .. });
        let tolerance = if by_length { PADDED } else { EXACT };
        close(&[loss], &[theirs], tolerance, &case.name);
        close(&gradient, &matrix(&expected["grad"]).concat(), tolerance, &case.name);

        let per_token = values(tier_one(&case, &config).unwrap());
        let theirs = matrix(&expected["per_token_loss"]).concat();
        visible(&case, &per_token, &theirs, &case.name);
    }
}

/// The weighted surrogate of every token, from plain functions.
fn tier_one(case: &Case, config: &PolicyLossConfig) -> Option<Tensor<2>> {
    let targets = &case.targets;
    let old = targets.old_logprobs.clone()?;
    let mask = targets.mask.clone();
    let mut log_ratio = config.ratio.log_ratio(case.stats.logprobs.clone(), old, mask);
    if let Some(bound) = config.log_ratio_clamp {
        log_ratio = log_ratio.clamp(-bound, bound);
    }
    let options = ClipOptions {
        clip_range: config.clip_range,
        dual_clip: config.dual_clip,
        delta: config.delta,
    };
    let loss = clipped_surrogate(log_ratio.exp(), targets.advantages.clone()?, &options);
    Some(match &targets.weights {
        Some(weights) => loss * weights.clone(),
        None => loss,
    })
}

/// Compares where the mask is 1; elsewhere peers hold anything.
fn visible(case: &Case, ours: &[f64], theirs: &[f64], what: &str) {
    let mask = values(case.targets.mask.clone());
    let pick = |all: &[f64]| -> Vec<f64> {
        all.iter().zip(&mask).filter(|(_, m)| **m != 0.0).map(|(v, _)| *v).collect()
    };
    close(&pick(ours), &pick(theirs), EXACT, what);
}

fn trl_aggregation(hyper: &Value) -> Option<Aggregation> {
    let length = hyper["max_completion_length"].as_f64().unwrap_or(256.0);
    Some(match text(&hyper["loss_type"], "dapo") {
        "grpo" => Aggregation::SeqMeanTokenMean { rows: RowCount::All },
        "bnpo" => Aggregation::TokenMeanLocal,
        "dr_grpo" => Aggregation::SumNorm { length, per_row: true },
        "dapo" => Aggregation::TokenMean,
        _ => return None,
    })
}

fn trl_config(hyper: &Value) -> Option<PolicyLossConfig> {
    let ratio = match text(&hyper["importance_sampling_level"], "token") {
        "token" => RatioLevel::Token,
        "sequence" => RatioLevel::Sequence,
        other => panic!("unknown level {other}"),
    };
    let low = hyper["epsilon_low"].as_f64().unwrap_or(0.2);
    let high = hyper["epsilon_high"].as_f64().unwrap_or(low);
    Some(PolicyLossConfig {
        clip_range: ClipRange { low, high },
        dual_clip: None,
        delta: hyper["delta"].as_f64(),
        ratio,
        log_ratio_clamp: None,
        kl_beta: hyper["beta"].as_f64().unwrap_or(0.0),
        kl_bias_correction: hyper["use_bias_correction_kl"].as_bool().unwrap_or(false),
        aggregation: trl_aggregation(hyper)?,
        entropy_coef: hyper["entropy_coef"].as_f64().unwrap_or(0.0),
        top_entropy: hyper["top_entropy_quantile"].as_f64(),
        off_policy_threshold: hyper["off_policy_mask_threshold"].as_f64(),
        ..PolicyLossConfig::default()
    })
}

#[test]
fn trl_policy_losses() {
    let device = Device::flex().autodiff();
    let all = cases("golden/policy/trl_policy_losses.json");
    let mut compared = 0;
    for value in &all {
        let Some(config) = trl_config(&value["hyper"]) else { continue };
        if config.top_entropy.is_some_and(|fraction| !same_entropy_mask(value, fraction)) {
            continue;
        }
        compared += 1;
        let case = case(value, "importance_sampling_ratio", &device);
        let expected = &value["expected"];
        let (loss, gradient, metrics) = run(&case, config.clone());
        close(&[loss], &[number(&expected["loss"])], EXACT, &case.name);
        close(&gradient, &matrix(&expected["grad"]).concat(), EXACT, &case.name);
        for name in MEASURED {
            let theirs = &expected["metrics"][*name];
            // A mean over no token has no value here; TRL says 0.
            let known = !theirs.is_null() && case.counts.tokens > 0.0;
            if known {
                let what = format!("{} {name}", case.name);
                close(&[metrics.get(name).unwrap()], &[number(theirs)], EXACT, &what);
            }
        }
    }
    assert!(all.is_empty() || compared > 0);
}

/// Whether TRL kept the tokens that we keep. It may differ at the threshold, and only there: TRL
/// compares 64-bit entropies with a threshold that it rounded to 32 bits.
fn same_entropy_mask(value: &Value, fraction: f64) -> bool {
    let flags = |v: &Value| v.as_array().unwrap().iter().map(|m| m.as_bool().unwrap()).collect();
    let rows = value["expected"]["entropy_mask"].as_array().unwrap();
    let theirs: Vec<Vec<bool>> = rows.iter().map(flags).collect();
    let entropy = matrix(&value["inputs"]["entropy"]);
    let mask: Vec<Vec<bool>> = matrix(&value["inputs"]["mask"])
        .iter()
        .map(|row| row.iter().map(|m| *m != 0.0).collect())
        .collect();
    let single: Vec<Vec<f32>> =
        entropy.iter().map(|row| row.iter().map(|h| *h as f32).collect()).collect();
    let ours = top_entropy_mask(single.iter().map(Vec::as_slice), &mask, fraction);
    let seen = entropy.iter().flatten().zip(mask.iter().flatten()).filter(|(_, m)| **m);
    let threshold = quantile(seen.map(|(h, _)| *h).collect(), 1.0 - fraction);
    let tokens = ours.iter().flatten().zip(theirs.iter().flatten()).zip(entropy.iter().flatten());
    for ((ours, theirs), entropy) in tokens {
        let near = threshold.is_some_and(|t| (entropy - t).abs() < 1e-6);
        assert!(ours == theirs || near, "{}: entropy {entropy}", value["name"]);
    }
    ours == theirs
}

const MEASURED: &[&str] = &[
    "clip_ratio/low_mean",
    "clip_ratio/high_mean",
    "clip_ratio/region_mean",
    "kl",
    "entropy",
    "policy_loss",
];

#[test]
fn trl_per_token_losses() {
    let device = Device::flex().autodiff();
    for value in cases("golden/policy/trl_policy_losses.json") {
        let Some(config) = trl_config(&value["hyper"]) else { continue };
        let composed = config.build().unwrap();
        let plain = composed.needs() == Needs::NONE && config.off_policy_threshold.is_none();
        let theirs = matrix(&value["expected"]["per_token_loss"]);
        let case = case(&value, "importance_sampling_ratio", &device);
        if !plain || theirs[0].len() != case.targets.mask.dims()[1] {
            continue;
        }
        visible(&case, &values(tier_one(&case, &config).unwrap()), &theirs.concat(), &case.name);
    }
}
