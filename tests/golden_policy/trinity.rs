//! Trinity: CHORD, REC, OPMD, TOPR.

use super::case::Case;
use super::compare::{EXACT, close};
use super::policy::{Columns, Ran};
use super::{Outcome, case};
use refire::grpo::loss::{
    ClipOptions, ExpertLoss, LossKind, MuSchedule, Opmd, RatioLevel, Rec, RecClip, RecRegularizer,
    RecWeight, Topr,
};
use refire::grpo::{PolicyLossConfig, PolicyStep};
use refire::objective::{Aggregation, Counts, RowCount};

/// Added to every number of tokens.
const PAD: f64 = 1e-8;

pub(crate) fn check(case: &Case) -> Outcome {
    match case.function.as_str() {
        "mu_schedule_function" => {
            let step = case::number(case.input("step").unwrap()) as u64;
            close(&[mu(case).at(step)], &[case.expected_number("mu")], EXACT, "mu").into()
        }
        "MIXCHORDPolicyLossFn" => chord(case).into(),
        "SFTPhiLossFn" | "SFTISLossFn" => expert(case).into(),
        "RECPolicyLossFn" | "OPMDPolicyLossFn" | "TOPRPolicyLossFn" => policy(case).into(),
        other => Outcome::Failed(format!("unknown function {other}")),
    }
}

fn mu(case: &Case) -> MuSchedule {
    let default = MuSchedule::default();
    let steps = |key: &str| case.hyper_number(key).unwrap_or(0.0) as u64;
    MuSchedule {
        warmup: steps("mu_warmup_steps"),
        decay: steps("mu_decay_steps"),
        peak: case.hyper_number("mu_peak").unwrap_or(default.peak),
        valley: case.hyper_number("mu_valley").unwrap_or(default.valley),
    }
}

/// Its mean over tokens.
fn padded(columns: &Columns) -> Counts {
    Counts { tokens: columns.tokens() as f64 + PAD, ..columns.counts }
}

fn columns(case: &Case) -> Columns {
    let mut columns = Columns::new(case, "logp");
    columns.targets.old_logprobs = Columns::column(case, "old_logp");
    columns.counts = padded(&columns);
    columns
}

fn rec(case: &Case) -> Result<(LossKind, RatioLevel), String> {
    let default = Rec::default();
    let number = |key: &str, default: f64| case.hyper_number(key).unwrap_or(default);
    let mode = case.hyper_text("clip_mode").unwrap_or("none");
    let clip = match mode {
        "none" => RecClip::None,
        "one-side" | "gspo-one-side" => RecClip::OneSide,
        "two-side" => RecClip::TwoSide,
        "ring" => RecClip::Ring,
        other => return Err(format!("unknown clip_mode {other}")),
    };
    let temperature = number("temp", 1.0);
    let weight = match case.hyper_text("weight").unwrap_or("none") {
        "none" => RecWeight::None,
        "importance_sampling" | "gspo_importance_sampling" => RecWeight::Importance,
        "advantage" => RecWeight::Advantage { temperature },
        other => return Err(format!("unknown weight {other}")),
    };
    let coef = number("regularizer_coef", 0.0);
    let regularizer = match case.hyper_text("regularizer").unwrap_or("none") {
        "none" => RecRegularizer::None,
        "k2" => RecRegularizer::K2 { coef },
        "forward-kl" => RecRegularizer::ForwardKl { coef },
        other => return Err(format!("unknown regularizer {other}")),
    };
    let mut config = Rec { clip, weight, regularizer, ..default };
    config.clip_range.low = number("epsilon_low", default.clip_range.low);
    config.clip_range.high = number("epsilon_high", default.clip_range.high);
    config.ring.low = number("epsilon_low_prime", default.ring.low);
    config.ring.high = number("epsilon_high_prime", default.ring.high);
    let gspo = mode == "gspo-one-side";
    Ok((LossKind::Rec(config), if gspo { RatioLevel::Sequence } else { RatioLevel::Token }))
}

fn policy(case: &Case) -> Result<(), String> {
    let mut columns = columns(case);
    let (surrogate, ratio) = match case.function.as_str() {
        "RECPolicyLossFn" => rec(case)?,
        "OPMDPolicyLossFn" => {
            let tau = case.hyper_number("tau").unwrap_or(1.0);
            (LossKind::Opmd(Opmd { tau }), RatioLevel::Token)
        }
        _ => {
            let threshold = case.hyper_number("advantage_threshold").unwrap_or(0.0);
            (LossKind::Topr(Topr { threshold }), RatioLevel::Token)
        }
    };
    let by_row = ratio == RatioLevel::Sequence;
    if by_row {
        columns.targets.old_logprobs = Some(padded_base(case, &columns));
    }
    let aggregation = if by_row {
        Aggregation::SeqMeanTokenMean { rows: RowCount::All, length_eps: PAD }
    } else {
        Aggregation::TokenMean
    };
    let config = PolicyLossConfig {
        surrogate,
        ratio,
        log_ratio_clamp: refire::grpo::loss::LogRatioClamp::NONE,
        aggregation,
        ..PolicyLossConfig::default()
    };
    let ran = columns.run(&config, PolicyStep::default())?;
    ran.check(case, 1.0, EXACT)?;
    let tokens = columns.tokens() as f64;
    let factor = tokens / (tokens + PAD);
    let pairs: &[(&str, &str)] = match case.function.as_str() {
        "RECPolicyLossFn" if !by_row => &[("clip_ratio/region_mean", "pg_clipfrac")],
        "TOPRPolicyLossFn" => &[("topr/alpha_mean", "avg_alpha"), ("ratio", "avg_ratio")],
        _ => &[],
    };
    case.ignore(&["expected.metrics"]);
    for (ours, theirs) in pairs.iter().filter(|_| tokens > 0.0) {
        ran.metric(ours, case.metric(theirs), factor)?;
    }
    Ok(())
}

/// The base with which an exact mean of log-ratios is Trinity's, which divides by 1e-8 more.
fn padded_base(case: &Case, columns: &Columns) -> refire::burn::tensor::Tensor<2> {
    let (now, old) = (case.rows("logp"), case.rows("old_logp"));
    let rows = now.iter().zip(&old).zip(&columns.mask).map(|((now, old), mask)| {
        let length = mask.iter().filter(|m| **m).count() as f64;
        let share = length / (length + PAD);
        now.iter().zip(old).map(|(now, old)| now - (now - old) * share).collect()
    });
    case::tensor(&rows.collect::<Vec<Vec<f64>>>())
}

/// A supervised loss on the rows of a mask, as a mean over tokens.
fn supervised(columns: &Columns, loss: ExpertLoss) -> Result<Ran, String> {
    let logprobs = columns.stats.logprobs.clone();
    let per_token = loss.per_token(logprobs.clone());
    let counts = padded(columns);
    let total =
        Aggregation::TokenMean.reduce(per_token, columns.targets.mask.clone(), Some(&counts));
    let gradient = logprobs.grad(&total.backward()).ok_or("no gradient")?;
    let metrics = Default::default();
    Ok(Ran { loss: total.into_scalar::<f64>(), gradient: case::values(gradient), metrics })
}

fn expert(case: &Case) -> Result<(), String> {
    case.ignore(&["inputs.old_logp", "inputs.advantages", "expected.metrics"]);
    let loss = match (case.function.as_str(), case.hyper_number("cutoff_prob")) {
        ("SFTISLossFn", _) => ExpertLoss::Importance,
        (_, Some(cutoff)) if cutoff < 1.0 => ExpertLoss::PhiCutoff { cutoff },
        _ => ExpertLoss::Phi,
    };
    supervised(&columns(case), loss)?.check(case, 1.0, EXACT)
}

/// Both halves by themselves, each on its own rows, scaled as Trinity does by fixed batch sizes.
/// That [`refire::grpo::Chord`] is their sum is tested in its crate.
fn chord(case: &Case) -> Result<(), String> {
    let get = |key: &str, default: f64| case.hyper_number(key).unwrap_or(default);
    let dynamic = case.hyper_flag("use_dynamic_bsz").unwrap_or(false);
    let devices = get("ngpus_trainer", 1.0);
    let mini = get("ppo_mini_batch_size", 1.0);
    let accumulation = (mini / get("ppo_micro_batch_size_per_gpu", 1.0)).floor();
    let usual_size = (get("train_batch_size_usual", 1.0) / devices).floor();
    let expert_size = (get("train_batch_size_expert", 1.0) / devices).floor();
    let expert_rows: Vec<bool> = case.list("expert_mask").iter().map(|m| *m != 0.0).collect();
    let rows = expert_rows.len() as f64;
    let experts = expert_rows.iter().filter(|e| **e).count() as f64;
    let per_batch = if dynamic { (mini / devices).floor() / rows } else { accumulation };
    let clip = get("clip_range", 0.2);
    let (low, high) = (get("clip_range_low", clip), get("clip_range_high", clip));
    let surrogate = ClipOptions { dual_clip: Some(3.0), ..ClipOptions::range(low, high) };
    let config =
        PolicyLossConfig { surrogate: LossKind::PpoClip(surrogate), ..PolicyLossConfig::default() };
    let phi = case.hyper_flag("enable_phi_function").unwrap_or(true);
    let mu = mu(case).at(get("step", 0.0) as u64);
    close(&[mu], &[case.expected_number("mu")], EXACT, "mu")?;

    let usual = part(case, &expert_rows, false);
    let usual_ran = columns_ran(&usual, &config)?;
    let expert = part(case, &expert_rows, true);
    let expert_loss = if phi { ExpertLoss::Phi } else { ExpertLoss::Nll };
    let expert_ran = supervised(&expert, expert_loss)?;
    let usual_scale = (1.0 - mu) * (rows - experts) * per_batch / usual_size;
    let expert_scale = mu * experts * per_batch / expert_size;
    let loss = usual_ran.loss * usual_scale + expert_ran.loss * expert_scale;
    let pairs = usual_ran.gradient.iter().zip(&expert_ran.gradient);
    let gradient: Vec<f64> = pairs.map(|(u, e)| u * usual_scale + e * expert_scale).collect();
    close(&[loss], &[case.expected_number("loss")], EXACT, "loss")?;
    close(&gradient, &case.expected_rows("grad").concat(), EXACT, "gradient")?;
    case.ignore(&["expected.metrics"]);
    let tokens = usual.tokens() as f64;
    let scale = (rows - experts) * per_batch / usual_size * tokens / (tokens + PAD);
    for (ours, theirs) in [
        ("clip_ratio/region_mean", "usual/pg_clipfrac"),
        ("clip_ratio/dual_mean", "usual/pg_clipfrac_lower"),
        ("ppo_kl", "usual/ppo_kl"),
    ] {
        if tokens > 0.0 {
            usual_ran.metric(ours, case.metric(theirs), scale)?;
        }
    }
    Ok(())
}

fn columns_ran(columns: &Columns, config: &PolicyLossConfig) -> Result<Ran, String> {
    columns.run(config, PolicyStep::default())
}

/// The batch with the rows of one kind only; the others are masked.
fn part(case: &Case, expert_rows: &[bool], expert: bool) -> Columns {
    let mut part = columns(case);
    for (row, is_expert) in part.mask.iter_mut().zip(expert_rows) {
        if *is_expert != expert {
            row.fill(false);
        }
    }
    let rows: Vec<Vec<f64>> =
        part.mask.iter().map(|row| row.iter().map(|m| f64::from(u8::from(*m))).collect()).collect();
    part.targets.mask = case::tensor(&rows);
    part.counts = Counts::of(&part.mask, 1);
    part.counts = padded(&part);
    part
}
