//! prime-rl: advantages of a group, and its losses, which are sums over a sequence.

use super::Outcome;
use super::case::{Case, tensor, values};
use super::compare::{EXACT, SINGLE, close};
use super::policy::Ran;
use refire::core::Metrics;
use refire::grpo::advantage::{
    Cost, GroupNorm, LengthShaped, Rae, RaeConfig, group_norm, length_shaped, max_rl,
};
use refire::grpo::loss::{DistillationLoss, DppoTv, LogRatioClamp, LossKind, RatioBase, Reinforce};
use refire::grpo::{KlBase, PolicyLoss, PolicyLossConfig};
use refire::objective::{Counts, KlEstimator, Objective, StepContext, Targets, TokenStats};

pub(crate) fn advantages(case: &Case) -> Outcome {
    let rewards: Vec<Option<f64>> = case.list("rewards").into_iter().map(Some).collect();
    let groups = vec![0; rewards.len()];
    let weights =
        ["output", "input"].map(|part| case.hyper_number(&format!("num_{part}_tokens_weight")));
    let turns = case.hyper_number("num_turns_weight");
    let ours = match case.function.as_str() {
        "GRPOAlgorithm.score_group" if turns.is_some() => {
            let default = LengthShaped::default();
            let config = LengthShaped {
                output: weights[0].unwrap_or(default.output),
                input: weights[1].unwrap_or(default.input),
                turns: turns.unwrap_or(default.turns),
            };
            let (output, total) = (case.list("output_tokens"), case.list("total_tokens"));
            let turns = case.list("turns");
            let cost = |row: usize| Cost {
                output: output[row],
                input: total[row] - output[row],
                turns: turns[row],
            };
            let costs: Vec<Cost> = (0..rewards.len()).map(cost).collect();
            length_shaped(&rewards, &costs, &groups, &config)
        }
        "GRPOAlgorithm.score_group" => {
            case.ignore(&["inputs.output_tokens", "inputs.total_tokens", "inputs.turns"]);
            group_norm(&rewards, &groups, &GroupNorm::centred())
        }
        "MaxRLAlgorithm.score_group" => max_rl(&rewards, &groups),
        "RAEAlgorithm.score_group" => {
            let decay = case.hyper_number("decay").unwrap_or(0.95);
            let roles = case.input("agents").map(|agents| {
                let names = agents.as_array().unwrap().iter();
                names.map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<String>>()
            });
            let roles = roles.unwrap_or_else(|| vec![String::new(); rewards.len()]);
            let mut rae = Rae::new(RaeConfig { decay, ..RaeConfig::default() });
            rae.judge(roles.iter().map(String::as_str).zip(rewards))
        }
        other => return Outcome::Failed(format!("unknown function {other}")),
    };
    let ours = ours.map_err(|e| e.to_string());
    ours.and_then(|ours| close(&ours, &case.expected_list("advantages"), SINGLE, "advantages"))
        .into()
}

fn config(case: &Case) -> Result<PolicyLossConfig, String> {
    let scale = case.hyper_number("adv_tau").unwrap_or(1.0);
    let kl_tau = case.hyper_number("kl_tau");
    let held = |surrogate: LossKind, kl_tau: f64| PolicyLossConfig {
        surrogate,
        ratio_base: RatioBase::Behaviour,
        log_ratio_clamp: LogRatioClamp::NONE,
        // Its divergence is the square of the log-ratio, k2 is half of it.
        kl_beta: 2.0 * kl_tau,
        kl_estimator: KlEstimator::K2,
        kl_base: KlBase::Ratio,
        kl_weighted: true,
        ..PolicyLossConfig::default()
    };
    Ok(match case.function.as_str() {
        "default_loss_fn" => {
            let region = DppoTv {
                low: case.hyper_number("dppo_mask_low").unwrap_or(0.2),
                high: case.hyper_number("dppo_mask_high").unwrap_or(0.2),
                two_sided: false,
                scale,
            };
            held(LossKind::DppoTv(region), kl_tau.unwrap_or(1e-3))
        }
        "ipo_loss_fn" => {
            let threshold = case.hyper_number("ipo_threshold").unwrap_or(0.1);
            let region = DppoTv { low: threshold, high: threshold, two_sided: true, scale };
            held(LossKind::DppoTv(region), kl_tau.unwrap_or(1e-3))
        }
        "ref_kl_loss_fn" => held(LossKind::Distillation(DistillationLoss::default()), 1e-3),
        "ce_loss_fn" => PolicyLossConfig {
            surrogate: LossKind::Reinforce(Reinforce {}),
            ..PolicyLossConfig::default()
        },
        other => return Err(format!("unknown function {other}")),
    })
}

/// Our metric for each of theirs, where it is the same.
const METRICS: &[(&str, &str)] = &[
    ("is_masked", "is_masked"),
    ("is_masked_low", "is_masked_low"),
    ("is_masked_high", "is_masked_high"),
    ("ref_kl/is_masked", "ref_kl/is_masked"),
    ("ref_kl", "ref_kl"),
];

pub(crate) fn losses(case: &Case) -> Outcome {
    let ran = run(case);
    let compared = ran.and_then(|(ran, tokens)| {
        close(&[ran.loss], &[case.expected_number("loss")], EXACT, "loss")?;
        close(&ran.gradient, &case.expected_list("grad"), EXACT, "gradient")?;
        for (theirs, ours) in METRICS.iter().filter(|_| tokens > 0.0) {
            // It averages flags in 32 bits.
            if let (Some(theirs), Some(ours)) = (case.metric(theirs), ran.metrics.get(ours)) {
                close(&[ours], &[theirs], SINGLE, "metric")?;
            }
        }
        case.ignore(&["expected.metrics"]);
        if case.function == "ce_loss_fn" && tokens > 0.0 {
            let logprobs = case.list("trainer_logp");
            let seen = logprobs.iter().zip(case.list("mask")).filter(|(_, m)| *m != 0.0);
            let nll = -seen.map(|(l, _)| l).sum::<f64>() / tokens;
            close(&[nll], &[case.metric("nll").unwrap_or(nll)], EXACT, "nll")?;
        }
        Ok(())
    });
    compared.into()
}

fn run(case: &Case) -> Result<(Ran, f64), String> {
    let row = |key: &str| tensor(&[case.list(key)]);
    let mask = row("mask");
    let stats = TokenStats::from_logprobs(row("trainer_logp").require_grad());
    let mut targets = Targets::new(mask.clone());
    let advantages = row("advantages");
    // Likelihood is REINFORCE with advantages of 1.
    let likelihood = case.function == "ce_loss_fn";
    targets.advantages = Some(if likelihood { mask.clone() } else { advantages });
    targets.behaviour_logprobs = Some(row("inference_logp"));
    targets.ref_logprobs = Some(row("ref_logp"));
    targets.weights = case.input("loss_weights").map(|w| tensor(&[super::case::numbers(w)]));
    let config = config(case)?;
    let objective = PolicyLoss::new(config).map_err(|e| e.to_string())?;
    // The caller divides by the number of tokens; here by one.
    let counts = Counts { tokens: 1.0, rows: 1.0, nonempty_rows: 1.0, micro_batches: 1.0 };
    let loss = objective.loss(&stats, &targets, &StepContext::empty(), &counts);
    let loss = loss.map_err(|e| e.to_string())?;
    let gradient = stats.logprobs.grad(&loss.total.backward()).ok_or("no gradient")?;
    let mut metrics = Metrics::default();
    metrics.extend(loss.metrics);
    let tokens = values(mask).iter().sum();
    let ran = Ran { loss: loss.total.into_scalar::<f64>(), gradient: values(gradient), metrics };
    Ok((ran, tokens))
}
