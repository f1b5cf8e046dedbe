//! OpenRLHF: advantages, policy loss, KL estimators.

use super::Outcome;
use super::case::{Case, numbers, tensor, values};
use super::compare::{EXACT, SINGLE, close, seen};
use super::policy::{Columns, or_empty};
use refire::grpo::advantage::{
    Gae, GroupNorm, Holes, KlInReward, gae, group_norm, returns_to_go, rloo, terminal_rewards,
};
use refire::grpo::compat::{OpenRlhfCorrection, Peer, open_rlhf_correction};
use refire::grpo::correction::Mismatch;
use refire::grpo::loss::{ClipOptions, ClipRange, LossKind, RatioBase, RatioLevel};
use refire::grpo::{PolicyLossConfig, PolicyStep};
use refire::objective::{Aggregation, KlEstimator, RowCount};

const PEER: Peer = Peer::OpenRlhf;

type Rows = Vec<Vec<f64>>;

/// Rewards against their group, before they are placed.
fn shaped(case: &Case, estimator: &str, rewards: &[f64], n: usize) -> Result<Vec<f64>, String> {
    let groups: Vec<usize> = (0..rewards.len()).map(|row| row / n).collect();
    let some: Vec<Option<f64>> = rewards.iter().copied().map(Some).collect();
    let shaped = match estimator {
        "gae" | "reinforce" => Ok(rewards.to_vec()),
        "rloo" => rloo(&some, &groups, &PEER.rloo()),
        "reinforce_baseline" | "dr_grpo" => group_norm(&some, &groups, &GroupNorm::centred()),
        "group_norm" => group_norm(&some, &groups, &PEER.group_norm()),
        other => return Err(format!("unknown estimator {other}")),
    };
    let mut shaped = shaped.map_err(|e| e.to_string())?;
    if let Some(range) = case.hyper("clip_range") {
        let range = numbers(range);
        shaped.iter_mut().for_each(|r| *r = r.clamp(range[0], range[1]));
    }
    Ok(shaped)
}

/// Advantages and returns by our parts, in the order in which OpenRLHF puts them together.
fn ours(case: &Case, estimator: &str) -> Result<(Rows, Rows), String> {
    let mask = case.mask();
    let n = case.hyper_number("n_samples_per_prompt").unwrap_or(1.0) as usize;
    let rewards = shaped(case, estimator, &case.list("rewards"), n)?;
    let mut tokens = terminal_rewards(&rewards, &mask).map_err(|e| e.to_string())?;
    // The case has the divergence itself: as k1 of itself and 0.
    let kl = KlInReward {
        beta: case.hyper_number("kl_coef").unwrap_or(0.0).max(0.0),
        estimator: KlEstimator::K1,
        ..KlInReward::default()
    };
    let divergence = case.rows("kl");
    let none: Rows = divergence.iter().map(|row| vec![0.0; row.len()]).collect();
    kl.subtract(&mut tokens, &divergence, &none, &mask).map_err(|e| e.to_string())?;
    let gamma = case.hyper_number("gamma").unwrap_or(1.0);
    let lambda = case.hyper_number("lam").unwrap_or(1.0);
    let critic = case.maybe_rows("values");
    let whiten = |rows: &Rows| PEER.whiten().apply(rows, &mask).map_err(|e| e.to_string());
    if estimator == "gae" {
        let config = Gae { gamma, lambda, holes: PEER.holes(), whiten: None, kl: None };
        let values = critic.ok_or("no values")?;
        let (raw, returns) = gae(&tokens, &values, &mask, &config).map_err(|e| e.to_string())?;
        return Ok((whiten(&raw)?, returns));
    }
    // Discounts are for REINFORCE only.
    let gamma = if estimator == "reinforce" { gamma } else { 1.0 };
    let returns = returns_to_go(&tokens, &mask, gamma, Holes::Pass).map_err(|e| e.to_string())?;
    let whitened = matches!(estimator, "reinforce" | "reinforce_baseline");
    Ok((if whitened { whiten(&returns)? } else { returns.clone() }, returns))
}

pub(crate) fn advantages(case: &Case) -> Outcome {
    let estimator = case.hyper_text("estimator").unwrap_or_default().to_owned();
    let (advantages, returns) = match ours(case, &estimator) {
        Ok(ours) => ours,
        Err(why) => return Outcome::Failed(why),
    };
    let mask = case.mask();
    let theirs = case.expected_rows("advantages");
    let lone = case.hyper_number("n_samples_per_prompt") == Some(1.0);
    let undefined = matches!(estimator.as_str(), "rloo" | "group_norm");
    let tokens = theirs.iter().flatten().zip(mask.iter().flatten());
    let not_a_number = tokens.filter(|(_, m)| **m).all(|(a, _)| a.is_nan());
    if lone && undefined && not_a_number {
        case.ignore(&["expected.returns"]);
        let rule =
            "a lone completion has no siblings: OpenRLHF divides 0 by 0, its reward is 0 here";
        // Instead: what is left is the divergence alone.
        let zero = shaped(case, &estimator, &case.list("rewards"), 1)
            .and_then(|shaped| super::compare::zeros(&shaped, "shaped reward"))
            .and_then(|()| {
                let finite = advantages.concat().iter().all(|a| a.is_finite());
                finite.then_some(()).ok_or("an advantage is not finite".to_owned())
            });
        return Outcome::excepted(rule, zero);
    }
    let compared = seen(&returns, &case.expected_rows("returns"), &mask, SINGLE, "returns")
        .and_then(|()| seen(&advantages, &theirs, &mask, SINGLE, "advantages"));
    compared.into()
}

pub(crate) fn kl_dpo(case: &Case) -> Outcome {
    match case.function.as_str() {
        "compute_approx_kl" => kl(case).into(),
        "DPOLoss" => super::openrlhf_dpo::check(case).into(),
        other => Outcome::Failed(format!("unknown function {other}")),
    }
}

fn kl(case: &Case) -> Result<(), String> {
    let estimator = match case.hyper_text("kl_estimator").unwrap_or("k1") {
        "k1" => KlEstimator::K1,
        "k2" => KlEstimator::K2,
        "k3" => KlEstimator::K3,
        other => return Err(format!("unknown kl_estimator {other}")),
    };
    let (now, reference) = (tensor(&case.rows("logp")), tensor(&case.rows("ref_logp")));
    let kl = estimator.clamped(now, reference, PEER.kl_clamp(estimator));
    close(&values(kl), &case.expected_rows("kl").concat(), SINGLE, "kl")
}

pub(crate) fn policy_loss(case: &Case) -> Outcome {
    let mut columns = Columns::new(case, "logp");
    columns.targets.old_logprobs = Columns::column(case, "old_logp");
    columns.targets.behaviour_logprobs = Columns::column(case, "rollout_logp");
    let ran = setting(case, &columns).and_then(|(config, step)| {
        let ran = columns.run(&config, step)?;
        Ok((config, ran))
    });
    let (config, ran) = match ran {
        Ok(ran) => ran,
        Err(why) => return Outcome::Failed(why),
    };
    case.ignore(&["expected.clip_ratio", "expected.ppo_kl", "expected.vllm_kl"]);
    or_empty(case, &columns, &ran, || {
        ran.check(case, 1.0, EXACT)?;
        if columns.is_empty() {
            return Ok(());
        }
        if config.ratio == RatioLevel::Token {
            let clipped = case.expected_number("clip_ratio");
            ran.metric("clip_ratio/region_mean", Some(clipped), 1.0)?;
        }
        // Theirs is of unbounded log-ratios.
        let gap = columns.stats.logprobs.clone() - columns.targets.old_logprobs.clone().unwrap();
        let bounded = values(gap).iter().all(|d| d.abs() < 20.0);
        if bounded && config.ratio_base == RatioBase::Old {
            ran.metric("ppo_kl", Some(case.expected_number("ppo_kl")), 1.0)?;
        }
        if config.correction.is_some() {
            let kl = case.expected_number("vllm_kl");
            ran.metric("rollout_corr/kl", Some(kl), 1.0)?;
        }
        Ok(())
    })
}

fn setting(case: &Case, columns: &Columns) -> Result<(PolicyLossConfig, PolicyStep), String> {
    let kind = case.hyper_text("policy_loss_type").unwrap_or("ppo");
    let clip_range = ClipRange {
        low: case.hyper_number("clip_eps_low").unwrap_or(0.2),
        high: case.hyper_number("clip_eps_high").unwrap_or(0.2),
    };
    let clip = ClipOptions { clip_range, dual_clip: case.hyper_number("dual_clip"), delta: None };
    let by_token = case.hyper_flag("token_level_loss").unwrap_or(true);
    let corrected = case.hyper_flag("enable_vllm_is_correction").unwrap_or(false);
    let bounds = case.hyper("vllm_is_truncated_threshold").map(numbers);
    let correction = match case.hyper_text("vllm_is_correction_type").unwrap_or("tis") {
        "tis" => OpenRlhfCorrection::Tis,
        "icepop" => OpenRlhfCorrection::IcePop,
        "seq-mask-tis" => OpenRlhfCorrection::SeqMaskTis,
        other => return Err(format!("unknown vllm_is_correction_type {other}")),
    };
    let (ratio, by_row) = match kind {
        "ppo" => (RatioLevel::Token, !by_token),
        "gspo" => (PEER.sequence_ratio(), true),
        other => return Err(format!("unknown policy_loss_type {other}")),
    };
    let like = if by_row {
        Aggregation::seq_mean_token_mean(RowCount::NonEmpty)
    } else {
        Aggregation::TokenMean
    };
    let mut config = PolicyLossConfig {
        surrogate: LossKind::PpoClip(clip),
        ratio,
        log_ratio_clamp: PEER.log_ratio_clamp(ratio),
        aggregation: PEER.aggregation(like),
        ..PolicyLossConfig::default()
    };
    let mut step = PolicyStep::default();
    match (corrected, kind) {
        (true, "ppo") => {
            let bounds = bounds.ok_or("no vllm_is_truncated_threshold")?;
            let correction = open_rlhf_correction(correction, bounds[0], bounds[1]);
            let (old, sampler) = (case.rows("old_logp"), case.rows("rollout_logp"));
            let weights = correction.weights(&old, &sampler, &columns.mask);
            step.weights = Some(weights.map_err(|e| e.to_string())?);
            let mismatch = Mismatch::of(&old, &sampler, &columns.mask);
            step.mismatch = Some(mismatch.map_err(|e| e.to_string())?);
            config.correction = Some(correction);
        }
        // GSPO compares with the sampler instead.
        (true, _) => config.ratio_base = RatioBase::Behaviour,
        (false, _) => {}
    }
    Ok((config, step))
}
