//! verl's advantage estimators.

use super::Outcome;
use super::case::{Case, number};
use super::compare::{EXACT, ROUNDED, SINGLE, close, seen, zeros};
use refire::grpo::advantage::{
    GroupNorm, Holes, Opo, Otb, OtbInputs, PassAtKMax, ReinforcePlusPlusBaseline, Scale, gpg,
    group_norm, opo, otb, pass_at_k_max, reinforce_plus_plus_baseline, remax, returns_to_go, rloo,
};
use refire::grpo::compat::Peer;

type Rows = Vec<Vec<f64>>;

/// How much rounding of rewards may move a normalised one: a spread that is tiny beside the
/// rewards themselves has few digits left.
fn conditioned(rewards: &[f64], groups: &[usize], tolerance: f64, digits: f64) -> f64 {
    let spread = |group: usize| {
        let of = || rewards.iter().zip(groups).filter(move |(_, g)| **g == group).map(|(r, _)| *r);
        let (low, high) = (of().fold(f64::MAX, f64::min), of().fold(f64::MIN, f64::max));
        (high - low, low.abs().max(high.abs()))
    };
    let loss = |(spread, size): (f64, f64)| if spread > 0.0 { digits * size / spread } else { 0.0 };
    let worst = groups.iter().map(|g| loss(spread(*g))).fold(0.0, f64::max);
    (tolerance + 8.0 * worst).min(1e-2)
}

fn spread(values: &[f64], mask: &[Vec<bool>]) -> Rows {
    let row = |(v, m): (&f64, &Vec<bool>)| m.iter().map(|m| if *m { *v } else { 0.0 }).collect();
    values.iter().zip(mask).map(row).collect()
}

pub(crate) fn group(case: &Case) -> Outcome {
    let (mask, groups) = (case.mask(), case.groups());
    let tokens = case.rows("token_level_rewards");
    let sums: Vec<f64> = tokens.iter().map(|row| row.iter().sum()).collect();
    let rewards: Vec<Option<f64>> = sums.iter().copied().map(Some).collect();
    // The same numbers by row.
    case.ignore(&["inputs.rewards", "expected.returns"]);
    let peer = Peer::Verl;
    let eps = case.hyper_number("epsilon").unwrap_or(1e-6);
    let scale = |flag: Option<bool>| if flag.unwrap_or(true) { Scale::Std } else { Scale::None };
    let single = case.function.contains("grpo_vectorized");
    let ours = match case.function.as_str() {
        "compute_grpo_outcome_advantage" | "compute_grpo_vectorized_outcome_advantage" => {
            let scale = scale(case.hyper_flag("norm_adv_by_std_in_grpo"));
            // The vectorised form has its eps as least variance too.
            let variance_floor = if single { eps } else { 0.0 };
            let config = GroupNorm { scale, eps, variance_floor, ..peer.group_norm() };
            group_norm(&rewards, &groups, &config).map(|a| spread(&a, &mask))
        }
        "compute_rloo_outcome_advantage" => {
            rloo(&rewards, &groups, &peer.rloo()).map(|a| spread(&a, &mask))
        }
        "compute_rloo_vectorized_outcome_advantage" => {
            // Here a lone row gets 0.
            rloo(&rewards, &groups, &Peer::Trl.rloo()).map(|a| spread(&a, &mask))
        }
        "compute_gpg_outcome_advantage" => {
            gpg(&rewards, &groups, &peer.gpg()).map(|a| spread(&a, &mask))
        }
        "compute_opo_outcome_advantage" => {
            let length = |row: &Vec<bool>| row.iter().filter(|m| **m).count() as f64;
            let lengths: Vec<f64> = mask.iter().map(length).collect();
            let config = Opo { singleton: peer.singleton() };
            opo(&rewards, &lengths, &groups, &config).map(|a| spread(&a, &mask))
        }
        "compute_grpo_passk_outcome_advantage" => {
            let config = case.hyper("config").and_then(|c| c.as_object()).cloned();
            let config = config.unwrap_or_default();
            if let Some(key) = config.keys().find(|k| *k != "norm_adv_by_std_in_grpo") {
                return Outcome::Failed(format!("unknown config.{key}"));
            }
            let flag = config.get("norm_adv_by_std_in_grpo").and_then(|v| v.as_bool());
            let config = PassAtKMax { scale: flag.unwrap_or(true), eps };
            pass_at_k_max(&rewards, &groups, &config).map(|a| spread(&a, &mask))
        }
        "compute_reinforce_plus_plus_baseline_outcome_advantage" => {
            let config = ReinforcePlusPlusBaseline {
                singleton: peer.singleton(),
                whiten: peer.whiten(),
                kl: None,
            };
            reinforce_plus_plus_baseline(&rewards, &groups, &mask, &config)
        }
        other => return Outcome::Failed(format!("unknown function {other}")),
    };
    let visible = mask.iter().flatten().filter(|m| **m).count();
    match (ours, case.error()) {
        (Ok(ours), None) => {
            let theirs = case.expected_rows("advantages");
            // GPG's factor is rounded to 32 bits.
            let exact = if case.function.contains("gpg") { ROUNDED } else { EXACT };
            let (tolerance, digits) =
                if single { (SINGLE, f64::from(f32::EPSILON)) } else { (exact, f64::EPSILON) };
            let tolerance = conditioned(&sums, &groups, tolerance, digits);
            if tolerance < 1e-2 {
                return close(&ours.concat(), &theirs.concat(), tolerance, "advantages").into();
            }
            // No digit of such a spread is left in 32 bits: what verl returns is rounding.
            let far = ours
                .iter()
                .flatten()
                .zip(theirs.iter().flatten())
                .find(|(a, b)| (*a - *b).abs() > tolerance * b.abs().max(1.0));
            far.map_or(Ok(()), |(a, b)| Err(format!("advantage {a}, expected {b}"))).into()
        }
        (Err(ours), Some(theirs)) => {
            // Both refuse, for the same reason.
            let same =
                theirs.contains("at least 2 samples") && ours.to_string().contains("at least 2");
            same.then_some(()).ok_or(format!("ours: {ours}, theirs: {theirs}")).into()
        }
        (Ok(ours), Some(_)) if visible < 2 => {
            let rule = "fewer than two tokens have no variance: verl raises, ours are 0";
            Outcome::excepted(rule, zeros(&ours.concat(), "advantages"))
        }
        (Ok(_), Some(theirs)) => Outcome::Failed(format!("verl raises {theirs}")),
        (Err(ours), None) => Outcome::Failed(ours.to_string()),
    }
}

pub(crate) fn per_token(case: &Case) -> Outcome {
    let mask = case.mask();
    let rewards = case.rows("token_level_rewards");
    let holes =
        if case.function.contains("reinforce_plus_plus") { Holes::Cut } else { Holes::Skip };
    let gamma = case.hyper_number("gamma").unwrap_or(1.0);
    let returns = match returns_to_go(&rewards, &mask, gamma, holes) {
        Ok(returns) => returns,
        Err(why) => return Outcome::Failed(why.to_string()),
    };
    let ours = match case.function.as_str() {
        "compute_reinforce_plus_plus_outcome_advantage" => {
            Peer::Verl.whiten().apply(&returns, &mask)
        }
        "compute_remax_outcome_advantage" => remax(&rewards, &case.list("reward_baselines"), &mask),
        "compute_optimal_token_baseline_advantage"
        | "compute_multi_turn_optimal_token_baseline_advantage" => {
            let compact = case.function.contains("multi_turn");
            let config = Otb {
                compact,
                zero_tail: case.hyper_flag("handle_zero_tail").unwrap_or(compact),
                eps: case.hyper_number("epsilon").unwrap_or(1e-8),
            };
            let weights = case.maybe_rows("rollout_is_weights");
            let (old, sum_sq) = (case.rows("old_logp"), case.rows("sum_pi_squared"));
            let groups: Vec<usize> = case
                .input("group_ids")
                .map(|ids| ids.as_array().unwrap().iter().map(|id| number(id) as usize).collect())
                .unwrap_or_default();
            let inputs = OtbInputs {
                rewards: &rewards,
                mask: &mask,
                groups: &groups,
                old_logprobs: &old,
                sum_sq: &sum_sq,
                weights: weights.as_deref(),
            };
            otb(&inputs, &config)
        }
        other => return Outcome::Failed(format!("unknown function {other}")),
    };
    let compare = || {
        let ours = ours.map_err(|e| e.to_string())?;
        seen(&returns, &case.expected_rows("returns"), &mask, EXACT, "returns")?;
        seen(&ours, &case.expected_rows("advantages"), &mask, EXACT, "advantages")
    };
    compare().into()
}
