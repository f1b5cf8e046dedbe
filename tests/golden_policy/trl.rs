//! TRL's GRPO losses.

use super::Outcome;
use super::case::{Case, matrix, tensor};
use super::compare::{EXACT, ROUNDED, close};
use super::policy::Columns;
use refire::burn::tensor::Tensor;
use refire::grpo::compat::Peer;
use refire::grpo::loss::{Cispo, ClipOptions, ClipRange, LossKind, RatioLevel, Sapo, Vespo};
use refire::grpo::mask::{off_policy_mask, quantile};
use refire::grpo::{PolicyLossConfig, PolicyStep};
use refire::objective::{Aggregation, RowCount};

const PEER: Peer = Peer::Trl;

fn config(case: &Case) -> Result<PolicyLossConfig, String> {
    let get = |key: &str| case.hyper_number(key);
    let low = get("epsilon_low").unwrap_or(0.2);
    let clip_range = ClipRange { low, high: get("epsilon_high").unwrap_or(low) };
    let ratio = match case.hyper_text("importance_sampling_level").unwrap_or("token") {
        "token" => RatioLevel::Token,
        "sequence" => PEER.sequence_ratio(),
        other => return Err(format!("unknown importance_sampling_level {other}")),
    };
    let length = get("max_completion_length").unwrap_or(256.0);
    let delta = get("delta");
    let (sapo, vespo) = (Sapo::default(), Vespo::default());
    let sapo = Sapo {
        tau_pos: get("sapo_temperature_pos").unwrap_or(sapo.tau_pos),
        tau_neg: get("sapo_temperature_neg").unwrap_or(sapo.tau_neg),
    };
    let vespo = Vespo {
        k_pos: get("vespo_k_pos").unwrap_or(vespo.k_pos),
        lambda_pos: get("vespo_lambda_pos").unwrap_or(vespo.lambda_pos),
        k_neg: get("vespo_k_neg").unwrap_or(vespo.k_neg),
        lambda_neg: get("vespo_lambda_neg").unwrap_or(vespo.lambda_neg),
    };
    let clip = LossKind::PpoClip(ClipOptions { clip_range, dual_clip: None, delta });
    let rows = Aggregation::seq_mean_token_mean(RowCount::All);
    let (surrogate, like) = match case.hyper_text("loss_type").unwrap_or("dapo") {
        "grpo" => (clip, rows),
        "bnpo" => (clip, Aggregation::TokenMeanLocal),
        "dr_grpo" => (clip, Aggregation::SumNorm { length, per_row: true }),
        "dapo" => (clip, Aggregation::TokenMean),
        "luspo" => (clip, Aggregation::SeqMeanTokenSum { rows: RowCount::All }),
        "cispo" => {
            let cispo = Cispo { lower: None, upper: clip_range.high };
            (LossKind::Cispo(cispo), Aggregation::TokenMean)
        }
        "sapo" => (LossKind::Sapo(sapo), rows),
        "vespo" => (LossKind::Vespo(vespo), Aggregation::TokenMean),
        other => return Err(format!("unknown loss_type {other}")),
    };
    // VESPO reads tokens whatever the level is.
    let ratio = if matches!(surrogate, LossKind::Vespo(_)) { RatioLevel::Token } else { ratio };
    let kl_beta = get("beta").unwrap_or(0.0);
    let corrected = case.hyper_flag("use_bias_correction_kl").unwrap_or(false);
    // A quantile of 1 is TRL's way to say that all tokens stay.
    let top_entropy = get("top_entropy_quantile").filter(|fraction| *fraction < 1.0);
    let base = PolicyLossConfig::default();
    Ok(PolicyLossConfig {
        surrogate,
        ratio,
        log_ratio_clamp: PEER.log_ratio_clamp(ratio),
        kl_beta,
        kl_clamp: PEER.kl_clamp(base.kl_estimator),
        kl_bias_correction: corrected && kl_beta != 0.0,
        aggregation: PEER.aggregation(like),
        entropy_coef: get("entropy_coef").unwrap_or(0.0),
        top_entropy,
        off_policy_threshold: get("off_policy_mask_threshold"),
        ..base
    })
}

/// Tokens of high entropy. At the threshold, and only there, TRL decides: it compares 64-bit
/// entropies with a quantile that it rounded to 32 bits.
fn high_entropy(case: &Case, mask: &[Vec<bool>], fraction: f64) -> Result<Vec<Vec<bool>>, String> {
    let entropy = case.rows("entropy");
    let seen = entropy.iter().flatten().zip(mask.iter().flatten()).filter(|(_, m)| **m);
    let threshold = quantile(seen.map(|(h, _)| *h).collect(), 1.0 - fraction);
    let theirs = case.expected("entropy_mask").ok_or("no entropy mask")?;
    let theirs = theirs.as_array().unwrap().iter().map(|row| {
        let flags = row.as_array().unwrap().iter();
        flags.map(|f| f.as_bool().unwrap_or_else(|| super::case::number(f) != 0.0)).collect()
    });
    let theirs: Vec<Vec<bool>> = theirs.collect();
    let tokens = theirs.iter().flatten().zip(entropy.iter().flatten()).zip(mask.iter().flatten());
    for ((theirs, entropy), seen) in tokens {
        let near = threshold.is_some_and(|t| (entropy - t).abs() < 1e-6);
        let ours = *seen && threshold.is_some_and(|t| *entropy >= t);
        if ours != *theirs && !(near && *seen) {
            return Err(format!("entropy mask at {entropy}: {ours}, expected {theirs}"));
        }
    }
    Ok(theirs)
}

/// Metrics that both have, by one name.
const METRICS: &[&str] = &[
    "clip_ratio/low_mean",
    "clip_ratio/high_mean",
    "clip_ratio/region_mean",
    "clip_ratio/low_min",
    "clip_ratio/high_max",
    "cispo_clip_ratio",
    "vespo/phi_seq_mean",
    "kl",
    "entropy",
];

pub(crate) fn policy_loss(case: &Case) -> Outcome {
    compare(case).into()
}

fn compare(case: &Case) -> Result<(), String> {
    let config = config(case)?;
    let mut columns = Columns::new(case, "logp");
    columns.targets.old_logprobs = Columns::column(case, "old_logp");
    columns.targets.ref_logprobs = Columns::column(case, "ref_logp");
    columns.targets.behaviour_logprobs = Columns::column(case, "sampling_logp");
    columns.targets.weights = columns.widened(case, "importance_sampling_ratio");
    columns.stats.entropy = Columns::column(case, "entropy");
    let high = config.top_entropy.map(|f| high_entropy(case, &columns.mask, f)).transpose()?;
    let kept = high.as_ref().map(|rows| rows.iter().flatten().filter(|k| **k).count() as f64);
    let step = PolicyStep { high_entropy: high, ..PolicyStep::default() };
    let ran = columns.run(&config, step)?;
    // TRL's SAPO and VESPO read their settings as 32-bit tensors.
    let single = matches!(config.surrogate, LossKind::Sapo(_) | LossKind::Vespo(_));
    let tolerance = if single { ROUNDED } else { EXACT };
    let mut loss = ran.loss;
    // Where its policy term is normalised by tokens, TRL divides the entropy of kept tokens by the
    // number of all; ours is their mean whatever the loss. The entropy has no gradient in its runs.
    let by_tokens = config.aggregation == Aggregation::TokenMean;
    if let (true, true, Some(kept)) = (by_tokens, config.entropy_coef != 0.0, kept) {
        let policy = ran.metrics.get("policy_loss").unwrap_or_default();
        let bonus = policy - ran.loss;
        loss = policy - bonus * kept.max(1.0) / columns.counts.tokens.max(1.0);
    }
    close(&[loss], &[case.expected_number("loss")], tolerance, "loss")?;
    close(&ran.gradient, &case.expected_rows("grad").concat(), tolerance, "gradient")?;
    let empty = columns.is_empty();
    for name in METRICS {
        let Some(theirs) = case.metric(name) else { continue };
        // Means over no token have no value here; TRL says 0 or NaN.
        match ran.metrics.get(name) {
            Some(ours) if theirs.is_finite() => close(&[ours], &[theirs], tolerance, name)?,
            None if !empty => return Err(format!("no metric {name}")),
            _ => {}
        }
    }
    if config.entropy_coef != 0.0 && !empty {
        let theirs = case.metric("policy_loss");
        ran.metric("policy_loss", theirs, 1.0)?;
        let coef = case.metric("entropy_coef").unwrap_or(config.entropy_coef);
        close(&[config.entropy_coef], &[coef], EXACT, "entropy_coef")?;
    }
    intermediates(case, &config, &columns, tolerance)
}

/// What TRL's locals held: ratio, divergence, row mask, loss per token.
fn intermediates(
    case: &Case,
    config: &PolicyLossConfig,
    columns: &Columns,
    tolerance: f64,
) -> Result<(), String> {
    let now = columns.stats.logprobs.clone().inner();
    let old = columns.targets.old_logprobs.clone().ok_or("no old log-probabilities")?.inner();
    let mask = columns.targets.mask.clone().inner();
    let width = mask.dims()[1];
    // One number per row stands for all of its tokens.
    let wide = |key: &str| -> Option<Vec<Vec<f64>>> {
        let widened = |row: Vec<f64>| if row.len() == 1 { vec![row[0]; width] } else { row };
        Some(case.expected(key).map(matrix)?.into_iter().map(widened).collect())
    };
    let seen = |ours: Tensor<2>, theirs: Vec<Vec<f64>>, what: &str| {
        let ours: Vec<Vec<f64>> =
            super::case::values(ours).chunks(width).map(<[f64]>::to_vec).collect();
        super::policy::seen(&ours, &theirs, &columns.mask, tolerance, what)
    };
    if let Some(theirs) = wide("coef_1") {
        let mut ratio = config.ratio.log_ratio(now.clone(), old.clone(), mask.clone()).exp();
        if let LossKind::PpoClip(ClipOptions { delta: Some(delta), .. }) = config.surrogate {
            ratio = ratio.clamp_max(delta);
        }
        // VESPO may be asked for sequences, and doesn't look at this.
        if !matches!(config.surrogate, LossKind::Vespo(_)) {
            seen(ratio, theirs, "coef_1")?;
        }
    }
    let kl = || {
        let reference = columns.targets.ref_logprobs.clone()?.inner();
        let kl = config.kl_estimator.clamped(now.clone(), reference, config.kl_clamp);
        let ratio = config.ratio.log_ratio(now.clone(), old.clone(), mask.clone()).exp();
        Some(if config.kl_bias_correction { kl * ratio } else { kl })
    };
    if let Some(theirs) = wide("per_token_kl") {
        seen(kl().ok_or("no reference")?, theirs, "per_token_kl")?;
    }
    let sampler = columns.targets.behaviour_logprobs.clone().map_or(old.clone(), Tensor::inner);
    let keep = config.off_policy_threshold.map(|threshold| {
        let advantages = columns.targets.advantages.clone().unwrap().inner();
        off_policy_mask(now.clone(), sampler.clone(), advantages, mask.clone(), threshold)
    });
    if let (Some(theirs), Some(keep)) = (wide("off_policy_mask"), &keep) {
        seen(keep.clone(), theirs, "off_policy_mask")?;
    }
    if let Some(theirs) = wide("phi_seq") {
        // phi is the gradient of one token's loss over its advantage.
        let advantages = columns.targets.advantages.clone().unwrap().inner();
        let ours =
            columns.per_token(config, columns.targets.old_logprobs.clone().unwrap(), None)?;
        let phi = tensor(&theirs).inner() * advantages * now.clone();
        seen(tensor(&ours).inner(), matrix_of(phi.neg(), width), "phi_seq")?;
    }
    let Some(theirs) = wide("per_token_loss") else { return Ok(()) };
    let old = columns.targets.old_logprobs.clone().ok_or("no old log-probabilities")?;
    let mut ours = tensor(&columns.per_token(config, old, None)?).inner();
    ours = keep.into_iter().fold(ours, |loss, keep| loss * keep);
    if let Some(rows) = wide_flags(case) {
        ours = ours * tensor(&rows).inner();
    }
    if config.kl_beta != 0.0 {
        ours = ours + kl().ok_or("no reference")? * config.kl_beta;
    }
    seen(ours, theirs, "per_token_loss")
}

fn matrix_of(tensor: Tensor<2>, width: usize) -> Vec<Vec<f64>> {
    super::case::values(tensor).chunks(width).map(<[f64]>::to_vec).collect()
}

fn wide_flags(case: &Case) -> Option<Vec<Vec<f64>>> {
    case.expected("entropy_mask").map(matrix)
}
