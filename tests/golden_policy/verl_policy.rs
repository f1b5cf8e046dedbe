//! verl's policy losses.

use super::case::Case;
use super::compare::{EXACT, seen};
use super::policy::{Columns, or_empty};
use super::{Outcome, case};
use refire::burn::tensor::Tensor;
use refire::grpo::compat::Peer;
use refire::grpo::loss::{
    Cispo, ClipCov, ClipOptions, ClipRange, Gmpo, KlCov, LogRatioClamp, LossKind, RatioLevel,
    Reinforce, Sapo, clip_flags, covariances, random_covariance, top_covariance,
};
use refire::grpo::{PolicyLossConfig, PolicyStep};
use refire::objective::{Aggregation, Counts, RowCount};

/// verl's mode by its name.
pub(crate) fn aggregation(case: &Case, default: &str, width: usize) -> Result<Aggregation, String> {
    let length = case.hyper_number("loss_scale_factor").unwrap_or(width as f64);
    let rows = RowCount::NonEmpty;
    let like = match case.hyper_text("loss_agg_mode").unwrap_or(default) {
        "token-mean" => Aggregation::TokenMean,
        "seq-mean-token-mean" => Aggregation::seq_mean_token_mean(rows),
        "seq-mean-token-sum" => Aggregation::SeqMeanTokenSum { rows },
        "seq-mean-token-sum-norm" => Aggregation::SumNorm { length, per_row: false },
        other => return Err(format!("unknown loss_agg_mode {other}")),
    };
    Ok(Peer::Verl.aggregation(like))
}

/// Totals of the step where the case gives them: those of this rank's share.
pub(crate) fn totals(case: &Case) -> Option<Counts> {
    let ranks = case.hyper_number("dp_size");
    let rows = case.hyper_number("global_batch_size");
    let tokens = case.hyper_number("batch_num_tokens");
    let (ranks, rows, tokens) = (ranks?, rows?, tokens?);
    let rows = rows / ranks;
    Some(Counts { tokens: tokens / ranks, rows, nonempty_rows: rows, micro_batches: 1.0 })
}

fn range(case: &Case) -> ClipRange {
    let clip = case.hyper_number("clip_ratio").unwrap_or(0.2);
    ClipRange {
        low: case.hyper_number("clip_ratio_low").unwrap_or(clip),
        high: case.hyper_number("clip_ratio_high").unwrap_or(clip),
    }
}

fn clamped() -> LogRatioClamp {
    Peer::Verl.log_ratio_clamp(RatioLevel::Token)
}

/// Settings of `policy_loss`; every key must be known.
fn inner(case: &Case, known: &[&str]) -> Result<impl Fn(&str) -> Option<f64>, String> {
    let map = case.hyper("policy_loss").and_then(|value| value.as_object()).cloned();
    let map = map.unwrap_or_default();
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("unknown policy_loss.{key}")),
        None => Ok(move |key: &str| map.get(key).filter(|v| !v.is_null()).map(case::number)),
    }
}

struct Setting {
    config: PolicyLossConfig,
    step: PolicyStep,
    selected: Option<Tensor<2>>,
}

fn plain(surrogate: LossKind, aggregation: Aggregation, clamp: LogRatioClamp) -> Setting {
    let base = PolicyLossConfig::default();
    let config = PolicyLossConfig { surrogate, aggregation, log_ratio_clamp: clamp, ..base };
    Setting { config, step: PolicyStep::default(), selected: None }
}

fn chosen(setting: Setting, rows: Vec<Vec<bool>>) -> Setting {
    let numbers: Vec<Vec<f64>> =
        rows.iter().map(|row| row.iter().map(|m| f64::from(u8::from(*m))).collect()).collect();
    let step = PolicyStep { selected: Some(rows), ..setting.step };
    Setting { step, selected: Some(case::tensor(&numbers)), ..setting }
}

fn setting(case: &Case, columns: &Columns) -> Result<Setting, String> {
    let width = columns.targets.mask.dims()[1];
    let mode = aggregation(case, "token-mean", width)?;
    let row_means = Peer::Verl.aggregation(Aggregation::seq_mean_token_mean(RowCount::NonEmpty));
    let covariance = || {
        let advantages = case.rows("advantages");
        covariances(&case.rows("logp"), &advantages, &columns.mask).map_err(|e| e.to_string())
    };
    Ok(match case.function.as_str() {
        "compute_policy_loss_vanilla" => {
            let c = case.hyper_number("clip_ratio_c").unwrap_or(3.0);
            let clip = ClipOptions { clip_range: range(case), dual_clip: Some(c), delta: None };
            plain(LossKind::PpoClip(clip), mode, clamped())
        }
        "compute_policy_loss_gspo" => {
            let clip = ClipOptions { clip_range: range(case), ..ClipOptions::default() };
            let level = Peer::Verl.sequence_ratio();
            let clamp = Peer::Verl.log_ratio_clamp(level);
            let mut setting = plain(LossKind::PpoClip(clip), row_means, clamp);
            setting.config.ratio = level;
            setting
        }
        "compute_policy_loss_sapo" => {
            let default = Sapo::default();
            let sapo = Sapo {
                tau_pos: case.hyper_number("tau_pos").unwrap_or(default.tau_pos),
                tau_neg: case.hyper_number("tau_neg").unwrap_or(default.tau_neg),
            };
            plain(LossKind::Sapo(sapo), row_means, clamped())
        }
        "compute_policy_loss_gpg" | "compute_policy_loss_reinforce" => {
            plain(LossKind::Reinforce(Reinforce {}), mode, LogRatioClamp::NONE)
        }
        "compute_policy_loss_cispo" => {
            plain(LossKind::Cispo(Cispo::around_one(range(case))), mode, clamped())
        }
        "compute_policy_loss_geo_mean" => {
            // It averages over all rows, whatever the mode says.
            let rows = Aggregation::seq_mean_token_mean(RowCount::All);
            let gmpo = Gmpo { clip_range: range(case), length_eps: 1e-8 };
            plain(LossKind::Gmpo(gmpo), rows, LogRatioClamp::NONE)
        }
        "compute_policy_loss_clip_cov" => {
            let get = inner(case, &["clip_cov_ratio", "clip_cov_lb", "clip_cov_ub"])?;
            let default = ClipCov::default();
            let config = ClipCov {
                clip_range: range(case),
                fraction: get("clip_cov_ratio").unwrap_or(default.fraction),
                lower: get("clip_cov_lb").unwrap_or(default.lower),
                upper: get("clip_cov_ub").unwrap_or(default.upper),
                seed: 0,
            };
            // Within an update, tokens that the range holds back are not chosen.
            let ratio = (columns.stats.logprobs.clone()
                - columns.targets.old_logprobs.clone().unwrap())
            .inner()
            .exp();
            let advantages = columns.targets.advantages.clone().unwrap().inner();
            let held = clip_flags(ratio, advantages, config.clip_range).any();
            let held: Vec<bool> = held.into_data().iter::<bool>().collect();
            let held: Vec<Vec<bool>> = held.chunks(width).map(<[bool]>::to_vec).collect();
            let rows = random_covariance(&covariance()?, &columns.mask, &held, &config, 0);
            chosen(plain(LossKind::ClipCov(config), mode, LogRatioClamp::NONE), rows)
        }
        "compute_policy_loss_kl_cov" => {
            let get = inner(case, &["kl_cov_ratio", "ppo_kl_coef"])?;
            let default = KlCov::default();
            let config = KlCov {
                fraction: get("kl_cov_ratio").unwrap_or(default.fraction),
                coef: get("ppo_kl_coef").unwrap_or(default.coef),
            };
            let rows = top_covariance(&covariance()?, &columns.mask, config.fraction);
            chosen(plain(LossKind::KlCov(config), mode, LogRatioClamp::NONE), rows)
        }
        other => return Err(format!("unknown function {other}")),
    })
}

/// Our metric for each of verl's.
fn metrics(function: &str) -> &'static [(&'static str, &'static str)] {
    match function {
        "compute_policy_loss_vanilla" => &[
            ("actor/pg_clipfrac", "clip_ratio/region_mean"),
            ("actor/pg_clipfrac_lower", "clip_ratio/dual_mean"),
            ("actor/ppo_kl", "ppo_kl"),
        ],
        "compute_policy_loss_cispo" => {
            &[("actor/pg_clipfrac", "clip_ratio/weight_mean"), ("actor/ppo_kl", "ppo_kl")]
        }
        "compute_policy_loss_geo_mean" => &[
            ("actor/pg_clipfrac", "clip_ratio/high_mean"),
            ("actor/pg_clipfrac_lower", "clip_ratio/low_mean"),
            ("actor/ppo_kl", "ppo_kl"),
        ],
        "compute_policy_loss_clip_cov" => {
            &[("actor/pg_clipfrac", "clip_cov/dropped_mean"), ("actor/ppo_kl", "ppo_kl")]
        }
        "compute_policy_loss_kl_cov" => &[("actor/ppo_kl", "ppo_kl_abs")],
        // GSPO's clip fraction is over tokens there, and over rows here.
        _ => &[("actor/ppo_kl", "ppo_kl")],
    }
}

pub(crate) fn check(case: &Case) -> Outcome {
    let mut columns = Columns::new(case, "logp");
    columns.targets.old_logprobs = Columns::column(case, "old_logp");
    columns.targets.weights = columns.widened(case, "rollout_is_weights");
    if let Some(counts) = totals(case) {
        columns.counts = counts;
    }
    let ran = setting(case, &columns).and_then(|setting| {
        let ran = columns.run(&setting.config, setting.step.clone())?;
        Ok((setting, ran))
    });
    let (setting, ran) = match ran {
        Ok(ran) => ran,
        Err(why) => return Outcome::Failed(why),
    };
    or_empty(case, &columns, &ran, || {
        ran.check(case, 1.0, EXACT)?;
        let tokens = columns.tokens() as f64;
        if tokens > 0.0 {
            for (theirs, ours) in metrics(&case.function) {
                ran.metric(ours, case.metric(theirs), tokens / (tokens + 1e-8))?;
            }
        }
        case.ignore(&["expected.metrics"]);
        if case.expected("per_token_loss").is_some() {
            let base = columns.targets.old_logprobs.clone().unwrap();
            let ours = columns.per_token(&setting.config, base, setting.selected.clone())?;
            let theirs = case.expected_rows("per_token_loss");
            seen(&ours, &theirs, &columns.mask, EXACT, "per-token loss")?;
        }
        Ok(())
    })
}
