//! Corrections of the mismatch between trainer and sampler: TRL's and verl's.

use super::Outcome;
use super::case::{Case, number};
use super::compare::{EXACT, close, seen};
use refire::grpo::correction::{
    Divergence, Importance, ImportanceBound, ImportanceLevel, Mismatch, Rejection, RejectionReduce,
    effective_sample_size, log_ratios,
};

/// verl adds this to what it divides by.
const PAD: f64 = 1e-8;

pub(crate) fn trl(case: &Case) -> Outcome {
    let (level, bound) = match case.hyper_text("mode").unwrap_or_default() {
        "token_truncate" => (ImportanceLevel::Token, ImportanceBound::Truncate),
        "token_mask" => (ImportanceLevel::Token, ImportanceBound::Mask),
        "sequence_truncate" => (ImportanceLevel::Sequence, ImportanceBound::Truncate),
        "sequence_mask" => (ImportanceLevel::Sequence, ImportanceBound::Mask),
        other => return Outcome::Failed(format!("unknown mode {other}")),
    };
    let config = Importance {
        level,
        bound,
        min: case.hyper_number("clip_min"),
        max: case.hyper_number("clip_max"),
        log_ratio_clamp: None,
        normalize: false,
    };
    let mask = case.mask();
    let compare = || {
        let ratios = log_ratios(&case.rows("train_logp"), &case.rows("sampling_logp"));
        let ratios = ratios.map_err(|e| e.to_string())?;
        let theirs = case.expected_rows("ratio");
        if level == ImportanceLevel::Token {
            let ours = config.weights(&ratios, &mask).map_err(|e| e.to_string())?;
            return seen(&ours, &theirs, &mask, EXACT, "ratio");
        }
        let rows = ratios.iter().zip(&mask);
        let ours: Vec<f64> = rows.map(|(row, mask)| config.sequence_weight(row, mask)).collect();
        close(&ours, &theirs.concat(), EXACT, "ratio")
    };
    compare().into()
}

pub(crate) fn verl(case: &Case) -> Outcome {
    let (old, sampler, mask) = (case.rows("train_logp"), case.rows("rollout_logp"), case.mask());
    match case.function.as_str() {
        "compute_rollout_correction_weights" => weights(case, &old, &sampler, &mask).into(),
        "compute_rollout_rejection_mask" => rejection(case, &old, &sampler, &mask).into(),
        "compute_offpolicy_metrics" => mismatch(case, &old, &sampler, &mask),
        other => Outcome::Failed(format!("unknown function {other}")),
    }
}

fn visible(mask: &[Vec<bool>]) -> f64 {
    mask.iter().flatten().filter(|m| **m).count() as f64
}

fn weights(
    case: &Case,
    old: &[Vec<f64>],
    sampler: &[Vec<f64>],
    mask: &[Vec<bool>],
) -> Result<(), String> {
    let level = match case.hyper_text("rollout_is").unwrap_or("token") {
        "token" => ImportanceLevel::Token,
        "sequence" => ImportanceLevel::Sequence,
        other => return Err(format!("unknown rollout_is {other}")),
    };
    let threshold = case.hyper_number("threshold").unwrap_or(2.0);
    let plain = Importance { level, max: Some(threshold), ..Importance::default() };
    let normalize = case.hyper_flag("batch_normalize").unwrap_or(false);
    let ratios = log_ratios(old, sampler).map_err(|e| e.to_string())?;
    let made = |config: &Importance| config.weights(&ratios, mask).map_err(|e| e.to_string());
    let mut ours = made(&Importance { normalize, ..plain })?;
    if normalize {
        // Its mean divides by a little more than there are tokens.
        let lengths: Vec<f64> = mask.iter().map(|m| visible(std::slice::from_ref(m))).collect();
        let padded = match level {
            ImportanceLevel::Token => vec![visible(mask) / (visible(mask) + PAD); mask.len()],
            ImportanceLevel::Sequence => lengths.iter().map(|n| n / (n + PAD)).collect(),
        };
        let first = made(&plain)?;
        let row = |(row, mask): (&Vec<f64>, &Vec<bool>)| -> Option<f64> {
            row.iter().zip(mask).find(|(_, m)| **m).map(|(w, _)| *w)
        };
        let shares: Vec<(f64, f64)> = first
            .iter()
            .zip(mask)
            .zip(&padded)
            .filter_map(|(pair, pad)| Some((row(pair)?, *pad)))
            .collect();
        let exact: f64 = shares.iter().map(|(w, _)| w).sum();
        let theirs: f64 = shares.iter().map(|(w, pad)| w * pad).sum();
        let factor = match level {
            ImportanceLevel::Token => padded.first().map_or(1.0, |pad| pad.recip()),
            ImportanceLevel::Sequence if theirs > 0.0 => exact / theirs,
            ImportanceLevel::Sequence => 1.0,
        };
        ours.iter_mut().flatten().for_each(|w| *w *= factor);
    }
    seen(&ours, &case.expected_rows("weights"), mask, EXACT, "weights")?;
    // Its effective sample size is of weights within both bounds.
    let both = Importance { min: Some(threshold.recip()), ..plain };
    let both = made(&both)?;
    let ess = effective_sample_size(&both, mask).map_err(|e| e.to_string())?;
    let count = visible(mask);
    let flat = both.iter().flatten().zip(mask.iter().flatten()).filter(|(_, m)| **m);
    let mean = flat.map(|(w, _)| w).sum::<f64>() / count;
    let padded = ((mean * count / (count + PAD) + PAD) / mean).powi(2) * (count + PAD) / count;
    match case.metric("rollout_is_eff_sample_size") {
        Some(theirs) => close(&[ess * padded], &[theirs], EXACT, "effective sample size"),
        None => Ok(()),
    }
}

fn criterion(name: &str, threshold: &str) -> Result<Rejection, String> {
    let (reduce, kind) = name.rsplit_once('_').ok_or(format!("unknown rollout_rs {name}"))?;
    let divergence = match kind {
        "k1" => Divergence::K1,
        "k2" => Divergence::K2,
        "k3" => Divergence::K3,
        other => return Err(format!("unknown rollout_rs {other}")),
    };
    let reduce = match reduce {
        "token" => RejectionReduce::Token,
        "seq_sum" => RejectionReduce::SeqSum,
        "seq_mean" => RejectionReduce::SeqMean,
        "seq_max" => RejectionReduce::SeqMax,
        other => return Err(format!("unknown rollout_rs {other}")),
    };
    let parse = |text: &str| text.parse::<f64>().map_err(|e| format!("{text}: {e}"));
    let (lower, upper) = match threshold.split_once('_') {
        Some((lower, upper)) => (Some(parse(lower)?), parse(upper)?),
        None => (None, parse(threshold)?),
    };
    Ok(Rejection { divergence, reduce, lower, upper })
}

fn rejection(
    case: &Case,
    old: &[Vec<f64>],
    sampler: &[Vec<f64>],
    mask: &[Vec<bool>],
) -> Result<(), String> {
    let names: Vec<&str> =
        case.hyper_text("rollout_rs").unwrap_or_default().split(',').map(str::trim).collect();
    let threshold = case.hyper("threshold").ok_or("no threshold")?;
    let threshold = threshold.as_str().map_or_else(|| number(threshold).to_string(), str::to_owned);
    let thresholds: Vec<&str> = threshold.split(',').map(str::trim).collect();
    let ratios = log_ratios(old, sampler).map_err(|e| e.to_string())?;
    let mut keep = mask.to_vec();
    for (index, name) in names.iter().enumerate() {
        let threshold = thresholds.get(index).or(thresholds.first()).ok_or("no threshold")?;
        let config = criterion(name, threshold)?;
        if let Some(problem) = config.validate().first() {
            return Err(problem.to_string());
        }
        let own = config.keep(&ratios, mask).map_err(|e| e.to_string())?;
        keep.iter_mut().flatten().zip(own.iter().flatten()).for_each(|(all, own)| *all &= own);
    }
    let numbers: Vec<f64> = keep.iter().flatten().map(|k| f64::from(u8::from(*k))).collect();
    close(&numbers, &case.expected_rows("mask").concat(), 0.0, "mask")?;
    let lost = visible(mask) - visible(&keep);
    let rows = keep.iter().zip(mask).filter(|(keep, mask)| keep != mask).count() as f64;
    for (name, ours) in [
        ("rollout_rs_masked_fraction", lost / (visible(mask) + PAD)),
        ("rollout_rs_seq_masked_fraction", rows / mask.len() as f64),
    ] {
        if let Some(theirs) = case.metric(name) {
            // verl averages rows in 32 bits.
            close(&[ours], &[theirs], 1e-7, name)?;
        }
    }
    Ok(())
}

fn mismatch(case: &Case, old: &[Vec<f64>], sampler: &[Vec<f64>], mask: &[Vec<bool>]) -> Outcome {
    let ours = match Mismatch::of(old, sampler, mask) {
        Ok(ours) => ours,
        Err(why) => return Outcome::Failed(why.to_string()),
    };
    case.ignore(&["expected.metrics"]);
    let full: Vec<usize> = (0..mask.len()).filter(|row| mask[*row].contains(&true)).collect();
    if full.len() < mask.len() {
        let pick =
            |rows: &[Vec<f64>]| full.iter().map(|row| rows[*row].clone()).collect::<Vec<_>>();
        let seen: Vec<Vec<bool>> = full.iter().map(|row| mask[*row].clone()).collect();
        let without = Mismatch::of(&pick(old), &pick(sampler), &seen);
        let same = without.is_ok_and(|without| without == ours);
        let rule = "verl counts an empty row with a log-probability of 0, ours are left out";
        return Outcome::excepted(rule, same.then_some(()).ok_or("they are not".to_owned()));
    }
    let compare = || {
        for (name, value) in ours.values() {
            if let Some(theirs) = case.metric(name) {
                // Means over rows divide by 1e-8 more than the row's length.
                close(&[value], &[theirs], 4.0 * PAD, name)?;
            }
        }
        Ok(())
    };
    compare().into()
}
