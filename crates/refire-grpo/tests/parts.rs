//! Advantages, filters and recipes where no golden reaches.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken test should fail")]

mod support;

use refire_core::{Advantage, AdvantageValues, Columns, GroupFilter, Needs, Score, StepView};
use refire_grpo::advantage::{AdvantageConfig, Gdpo, GroupNorm, PartWeight, Scale, group_norm};
use refire_grpo::filter::{DynamicSampling, FilterConfig};
use refire_grpo::loss::{ClipOptions, ClipRange, LogRatioClamp, LossKind};
use refire_grpo::{GrpoError, PolicyLossConfig, Recipe, preset};
use refire_objective::Aggregation;

fn advantages(method: &mut dyn Advantage, sizes: &[usize], scores: &[Score]) -> Vec<f64> {
    try_advantages(method, sizes, scores).unwrap()
}

fn try_advantages(
    method: &mut dyn Advantage,
    sizes: &[usize],
    scores: &[Score],
) -> Result<Vec<f64>, String> {
    let groups: Vec<_> = sizes.iter().map(|n| support::step::group(*n)).collect();
    let mask = vec![vec![true; 2]; scores.len()];
    let columns = Columns::default();
    let view = StepView {
        step: 0,
        groups: &groups,
        scores,
        mask: &mask,
        columns: &columns,
        advantages: None,
    };
    match method.advantages(&view).map_err(|e| e.to_string())?.values {
        AdvantageValues::PerCompletion(values) => Ok(values),
        AdvantageValues::PerToken(_) => panic!("one advantage per completion"),
    }
}

fn value(parts: &[(&str, f64)]) -> Score {
    let parts: Vec<(String, f64)> = parts.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect();
    Score::Value { total: parts.iter().map(|p| p.1).sum(), parts, per_token: None }
}

#[test]
fn rows_without_a_score_are_left_out() {
    let with = [Score::value(1.0), Score::unavailable("down", true), Score::value(0.0)];
    let without = [Score::value(1.0), Score::value(0.0)];
    for scale in [Scale::Std, Scale::None, Scale::Batch] {
        let mut method = GroupNorm { scale, ..GroupNorm::default() };
        let all = advantages(&mut method, &[3], &with);
        let known = advantages(&mut method, &[2], &without);
        assert_eq!([all[0], all[2]], [known[0], known[1]]);
        assert_eq!(all[1], 0.0);
    }
}

#[test]
fn equal_rewards_give_exactly_zero() {
    let scores = vec![Score::value(0.1); 7];
    for scale in [Scale::Std, Scale::None, Scale::Batch] {
        let mut method = GroupNorm { scale, ..GroupNorm::default() };
        assert_eq!(advantages(&mut method, &[3, 3, 1], &scores), [0.0; 7]);
    }
}

#[test]
fn advantages_ignore_shift_and_scale_of_rewards() {
    let rewards = [0.0, 1.0, 1.0, 0.3].map(Some);
    let moved = rewards.map(|r| r.map(|r| 1000.0 * r - 17.0));
    let config = GroupNorm { eps: 1e-12, ..GroupNorm::default() };
    let of = |r| group_norm(r, &[0, 0, 0, 0], &config).unwrap();
    let pairs = of(&rewards).into_iter().zip(of(&moved));
    pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-9));
}

#[test]
fn siblings_need_not_be_neighbours() {
    let config = GroupNorm::default();
    let rewards = [1.0, 5.0, 0.0, 9.0].map(Some);
    let mixed = group_norm(&rewards, &[4, 2, 4, 2], &config).unwrap();
    let sorted = group_norm(&[1.0, 0.0, 5.0, 9.0].map(Some), &[0, 0, 1, 1], &config).unwrap();
    assert_eq!([mixed[0], mixed[2], mixed[1], mixed[3]], sorted[..]);
}

#[test]
fn rewards_that_are_no_numbers_are_refused() {
    let error = group_norm(&[Some(0.0), Some(f64::NAN)], &[0, 0], &GroupNorm::default());
    assert!(matches!(error, Err(GrpoError::RewardNotFinite { row: 1, .. })));
    let error = group_norm(&[Some(0.0)], &[], &GroupNorm::default());
    assert!(matches!(error, Err(GrpoError::Count { found: 0, expected: 1, .. })));
}

fn gdpo(names: &[&str]) -> Gdpo {
    let part = |name: &&str| PartWeight { name: (*name).to_owned(), weight: 1.0 };
    Gdpo { parts: names.iter().map(part).collect(), ..Gdpo::default() }
}

#[test]
fn gdpo_reads_the_named_parts() {
    let scores = [
        value(&[("right", 1.0), ("short", 0.0), ("noise", 50.0)]),
        value(&[("right", 0.0), ("short", 0.0), ("noise", -50.0)]),
        Score::unscorable("broken reference"),
    ];
    let found = advantages(&mut gdpo(&["right", "short"]), &[3], &scores);
    assert!(found[0] > 0.5 && found[1] < -0.5 && found[2] == 0.0);
    let error = try_advantages(&mut gdpo(&["rihgt"]), &[3], &scores).unwrap_err();
    assert!(error.contains("rihgt") && error.contains("noise"));
}

#[test]
fn dynamic_sampling_wants_a_spread() {
    let keep = |filter: &mut DynamicSampling, scores: &[Score]| {
        filter.keep(&support::step::group(scores.len()), scores).unwrap()
    };
    let (one, zero, none) = (Score::value(1.0), Score::value(0.0), Score::unscorable("broken"));
    let mut any = DynamicSampling::default();
    assert!(keep(&mut any, &[one.clone(), zero.clone(), none.clone()]));
    assert!(!keep(&mut any, &[one.clone(), one.clone(), none.clone()]));
    assert!(!keep(&mut any, &[one.clone(), none.clone()]));
    assert!(!keep(&mut any, &[none.clone(), none.clone()]));
    assert!(keep(&mut any, std::slice::from_ref(&one)));
    assert!(!keep(&mut any, std::slice::from_ref(&none)));
    let mut wide = DynamicSampling { min_spread: 1.0, ..DynamicSampling::default() };
    assert!(!keep(&mut wide, &[one.clone(), zero]));
    assert!(any.keep(&support::step::group(3), &[one]).is_err());
}

#[test]
fn dynamic_sampling_may_look_at_one_part() {
    let scores =
        [value(&[("right", 1.0), ("overlong", -0.5)]), value(&[("right", 1.0), ("overlong", 0.0)])];
    let group = support::step::group(2);
    let mut total = DynamicSampling::default();
    assert!(total.keep(&group, &scores).unwrap());
    let mut right = DynamicSampling { part: Some("right".to_owned()), ..Default::default() };
    assert!(!right.keep(&group, &scores).unwrap());
    let mut wrong = DynamicSampling { part: Some("correct".to_owned()), ..Default::default() };
    assert!(wrong.keep(&group, &scores).is_err());
}

#[test]
fn presets_are_valid_and_survive_a_file() {
    for (name, recipe) in preset::all() {
        assert!(recipe.validate().is_empty(), "{name}: {:?}", recipe.validate());
        recipe.loss.build().unwrap();
        recipe.advantage.build().unwrap();
        recipe.filter.iter().for_each(|f| assert!(f.build().is_ok()));
        let text = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe);
    }
    assert_eq!(serde_json::from_str::<Recipe>("{}").unwrap(), preset::grpo());
    assert!(serde_json::from_str::<Recipe>(r#"{"loss": {"clip": 0.1}}"#).is_err());
    assert!(serde_json::from_str::<AdvantageConfig>(r#"{"kind": "gea"}"#).is_err());
}

#[test]
fn several_updates_need_the_old_logprobs() {
    let once = preset::dr_grpo();
    assert_eq!(once.needs(), Needs::NONE);
    assert!(Recipe { passes: 2, ..once.clone() }.needs().old_logprobs);
    assert!(Recipe { updates_per_rollout: 2, ..once }.needs().old_logprobs);
}

#[test]
fn every_problem_is_listed() {
    let recipe = Recipe {
        advantage: AdvantageConfig::GroupNorm(GroupNorm { eps: 0.0, ..GroupNorm::default() }),
        loss: PolicyLossConfig {
            surrogate: LossKind::PpoClip(ClipOptions {
                clip_range: ClipRange { low: -0.1, high: 0.2 },
                dual_clip: Some(1.0),
                delta: Some(1.1),
            }),
            log_ratio_clamp: LogRatioClamp { below: None, above: Some(0.0) },
            kl_beta: f64::NAN,
            entropy_coef: f64::INFINITY,
            top_entropy: Some(1.5),
            off_policy_threshold: Some(f64::NAN),
            aggregation: Aggregation::SumNorm { length: 0.0, per_row: true },
            ..PolicyLossConfig::default()
        },
        filter: Some(FilterConfig::DynamicSampling(DynamicSampling {
            min_spread: -1.0,
            part: None,
        })),
        updates_per_rollout: 0,
        passes: 0,
        ..Recipe::default()
    };
    let fields = [
        "advantage.eps",
        "clip_range.low",
        "dual_clip",
        "delta",
        "log_ratio_clamp.above",
        "kl_beta",
        "entropy_coef",
        "top_entropy",
        "off_policy_threshold",
        "aggregation.length",
        "filter.min_spread",
        "updates_per_rollout",
        "passes",
    ];
    let problems: Vec<String> = recipe.validate().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), fields.len(), "{problems:?}");
    for field in fields {
        assert!(problems.iter().any(|p| p.contains(&format!("`{field}`"))), "{field}");
    }
    let error = recipe.loss.build().unwrap_err().to_string();
    assert!(error.contains("clip_range.low") && error.contains("aggregation.length"));
}
