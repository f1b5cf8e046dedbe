//! TRL's advantages: groups, GDPO, RLOO and its loss.

use super::Outcome;
use super::case::{Case, matrix, numbers};
use super::compare::{EXACT, ROUNDED, close};
use super::policy::{Columns, Ran};
use refire::grpo::advantage::{GroupNorm, Rloo, Scale, gdpo, group_norm, rloo, weighted_sum};
use refire::grpo::compat::Peer;
use refire::grpo::loss::{ClipOptions, LossKind, RatioLevel};
use refire::grpo::{PolicyLossConfig, PolicyStep};
use refire::objective::{Aggregation, RowCount};

const PEER: Peer = Peer::Trl;

/// NaN says that there is no score.
fn score(value: f64) -> Option<f64> {
    (!value.is_nan()).then_some(value)
}

pub(crate) fn group(case: &Case) -> Outcome {
    let compare = || {
        let rows = matrix(case.input("rewards_per_func").ok_or("no rewards")?);
        let functions = rows.first().map_or(0, Vec::len);
        let parts: Vec<Vec<Option<f64>>> =
            (0..functions).map(|k| rows.iter().map(|row| score(row[k])).collect()).collect();
        let weights = case.hyper("reward_weights").map(numbers);
        let weights = weights.unwrap_or_else(|| vec![1.0; functions]);
        let n = case.hyper_number("num_generations").unwrap_or(1.0) as usize;
        let groups: Vec<usize> = (0..rows.len()).map(|row| row / n).collect();
        let eps = case.hyper_number("eps").unwrap_or(1e-4);
        let scale = match case.hyper_text("scale_rewards").unwrap_or("group") {
            "group" => Scale::Std,
            "none" => Scale::None,
            "batch" => Scale::Batch,
            other => return Err(format!("unknown scale_rewards {other}")),
        };
        let summed = weighted_sum(&parts, &weights).map_err(|e| e.to_string())?;
        let mode = case.hyper_text("multi_objective_aggregation").unwrap_or("sum_then_normalize");
        let ours = match mode {
            "sum_then_normalize" => {
                group_norm(&summed, &groups, &GroupNorm { scale, eps, ..PEER.group_norm() })
            }
            "normalize_then_sum" => gdpo(&parts, &weights, &groups, eps),
            other => return Err(format!("unknown multi_objective_aggregation {other}")),
        };
        let ours = ours.map_err(|e| e.to_string())?;
        // Only what TRL logs; our statistics are those of the advantages themselves.
        case.ignore(&["expected.std_rewards", "expected.frac_reward_zero_std"]);
        let scores: Vec<f64> = summed.iter().flatten().copied().collect();
        let tolerance = ill_conditioned(&scores, ROUNDED);
        close(&ours, &case.expected_list("advantages"), tolerance, "advantages")
    };
    compare().into()
}

/// A spread that is tiny beside the rewards has few digits left.
fn ill_conditioned(scores: &[f64], tolerance: f64) -> f64 {
    let (low, high) = (
        scores.iter().copied().fold(f64::MAX, f64::min),
        scores.iter().copied().fold(f64::MIN, f64::max),
    );
    let spread = high - low;
    let size = low.abs().max(high.abs());
    if spread > 0.0 && spread < 1e-4 * size { 1e-2 } else { tolerance }
}

pub(crate) fn rloo_family(case: &Case) -> Outcome {
    match case.function.as_str() {
        "RLOO advantage section" => rloo_advantages(case).into(),
        function if function.contains("_compute_loss") => rloo_loss(case),
        other => Outcome::Failed(format!("unknown function {other}")),
    }
}

fn rloo_advantages(case: &Case) -> Result<(), String> {
    let rewards: Vec<Option<f64>> = case.list("rewards").into_iter().map(score).collect();
    let n = case.hyper_number("num_generations").unwrap_or(1.0) as usize;
    let groups: Vec<usize> = (0..rewards.len()).map(|row| row / n).collect();
    let normalize = case.hyper_flag("normalize_advantages").unwrap_or(false);
    let config = Rloo { normalize_eps: normalize.then_some(1e-4), ..PEER.rloo() };
    let ours = rloo(&rewards, &groups, &config).map_err(|e| e.to_string())?;
    close(&ours, &case.expected_list("advantages"), ROUNDED, "advantages")
}

/// Clipped ratios of whole sequences, averaged over rows.
fn rloo_loss(case: &Case) -> Outcome {
    let mut columns = Columns::new(case, "logp");
    columns.targets.old_logprobs = Columns::column(case, "old_logp");
    let low = case.hyper_number("epsilon_low").unwrap_or(0.2);
    let high = case.hyper_number("epsilon_high").unwrap_or(low);
    let config = PolicyLossConfig {
        surrogate: LossKind::PpoClip(ClipOptions::range(low, high)),
        ratio: RatioLevel::SequenceSum,
        log_ratio_clamp: PEER.log_ratio_clamp(RatioLevel::SequenceSum),
        aggregation: PEER.aggregation(Aggregation::seq_mean_token_mean(RowCount::All)),
        ..PolicyLossConfig::default()
    };
    let ran = match columns.run(&config, PolicyStep::default()) {
        Ok(ran) => ran,
        Err(why) => return Outcome::Failed(why),
    };
    let theirs = case.expected_list("per_sequence_loss");
    let full: Vec<bool> = columns.mask.iter().map(|row| row.contains(&true)).collect();
    // Without the constants that TRL adds for empty rows, which have no gradient.
    let rest: f64 = theirs.iter().zip(&full).filter(|(_, full)| **full).map(|(l, _)| l).sum();
    let rest = rest / theirs.len() as f64;
    let per_row = || {
        let base = columns.targets.old_logprobs.clone().ok_or("no old log-probabilities")?;
        let ours = columns.per_token(&config, base, None)?;
        let rows = ours.iter().zip(&full).filter(|(_, full)| **full).map(|(row, _)| row[0]);
        let kept = theirs.iter().zip(&full).filter(|(_, full)| **full).map(|(l, _)| *l);
        close(&rows.collect::<Vec<_>>(), &kept.collect::<Vec<_>>(), EXACT, "per-sequence loss")
    };
    if full.contains(&false) {
        let rule = "TRL counts the loss -A of an empty row, a constant; ours is 0 there";
        let gradient = case.expected_rows("grad").concat();
        let constant = case.expected_number("loss");
        let instead = close(&[ran.loss], &[rest], EXACT, "loss")
            .and_then(|()| close(&ran.gradient, &gradient, EXACT, "gradient"))
            .and_then(|()| {
                let empty = theirs.iter().zip(&full).filter(|(_, full)| !**full);
                let added = empty.map(|(l, _)| l).sum::<f64>() / theirs.len() as f64;
                close(&[ran.loss + added], &[constant], EXACT, "loss with the constants")
            })
            .and_then(|()| per_row());
        return Outcome::excepted(rule, instead);
    }
    Ran::check(&ran, case, 1.0, EXACT).and_then(|()| per_row()).into()
}
