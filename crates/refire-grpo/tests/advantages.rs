//! Advantages: what must hold of all of them, values worked out by hand, and their memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken test should fail")]

mod support;

use proptest::prelude::*;
use refire_core::{
    Advantage, AdvantageValues, Advantages, BoxError, Columns, Group, Ragged, Request, Score,
    StepView,
};
use refire_grpo::advantage::*;
use support::step::{FROM, completion};

fn close(ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    for (a, b) in ours.iter().zip(theirs) {
        assert!((a - b).abs() < 1e-6, "{ours:?}, expected {theirs:?}");
    }
}

/// Rewards in groups of different sizes, some without a score.
fn rewards() -> impl Strategy<Value = (Vec<Option<f64>>, Vec<usize>)> {
    let row = (prop::option::weighted(0.9, -3.0..3.0_f64), 0..4_usize);
    prop::collection::vec(row, 1..20).prop_map(|rows| rows.into_iter().unzip())
}

fn mapped(rewards: &[Option<f64>], map: impl Fn(f64) -> f64) -> Vec<Option<f64>> {
    rewards.iter().map(|r| r.map(&map)).collect()
}

fn scales() -> [GroupNorm; 3] {
    [Scale::Std, Scale::None, Scale::Batch].map(|scale| GroupNorm { scale, ..Default::default() })
}

/// Those that compare a reward with its group, by name.
fn centred(rewards: &[Option<f64>], groups: &[usize]) -> Vec<(&'static str, Vec<f64>)> {
    let mut all: Vec<(&'static str, Vec<f64>)> = scales()
        .iter()
        .map(|config| ("group_norm", group_norm(rewards, groups, config).unwrap()))
        .collect();
    all.push(("rloo", rloo(rewards, groups, &Rloo::default()).unwrap()));
    all.push(("gpg", gpg(rewards, groups, &Gpg::default()).unwrap()));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn groups_sum_to_zero_and_ignore_a_shift((rewards, groups) in rewards(), shift in -50.0..50.0_f64) {
        let moved = mapped(&rewards, |r| r + shift);
        let pairs = centred(&rewards, &groups).into_iter().zip(centred(&moved, &groups));
        for ((name, straight), (_, shifted)) in pairs {
            for group in 0..4 {
                let rows = || (0..groups.len()).filter(|row| groups[*row] == group);
                let sum: f64 = rows().map(|row| straight[row]).sum();
                prop_assert!(sum.abs() < 1e-9, "{name}: {sum}");
            }
            for (a, b) in straight.iter().zip(&shifted) {
                prop_assert!((a - b).abs() < 1e-7 * a.abs().max(1.0), "{name}: {a} {b}");
            }
            for (row, reward) in rewards.iter().enumerate() {
                prop_assert!(reward.is_some() || straight[row] == 0.0, "{name}");
            }
        }
    }

    #[test]
    fn a_row_counts_where_it_stands((rewards, groups) in rewards(), turn in 0..20_usize) {
        let turn = turn % rewards.len();
        let turned = |list: &[usize]| [&list[turn..], &list[..turn]].concat();
        let turned_rewards = [&rewards[turn..], &rewards[..turn]].concat();
        let pairs = centred(&rewards, &groups).into_iter();
        for ((name, a), (_, b)) in pairs.zip(centred(&turned_rewards, &turned(&groups))) {
            let a = [&a[turn..], &a[..turn]].concat();
            prop_assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9), "{name}");
        }
    }

    #[test]
    fn rloo_is_the_centred_reward_times_n_over_n_minus_1((rewards, groups) in rewards()) {
        let plain = group_norm(&rewards, &groups, &GroupNorm::centred()).unwrap();
        let ours = rloo(&rewards, &groups, &Rloo::default()).unwrap();
        for row in 0..rewards.len() {
            let scored = |r: &usize| groups[*r] == groups[row] && rewards[*r].is_some();
            let n = (0..rewards.len()).filter(scored).count() as f64;
            let expected = if n > 1.0 { plain[row] * n / (n - 1.0) } else { 0.0 };
            prop_assert!((ours[row] - expected).abs() < 1e-9);
        }
    }

    #[test]
    fn whitened_tokens_have_mean_0_and_deviation_1(
        rows in prop::collection::vec(prop::collection::vec((-5.0..5.0_f64, any::<bool>()), 1..6), 1..6),
    ) {
        let values: Vec<Vec<f64>> = rows.iter().map(|r| r.iter().map(|v| v.0).collect()).collect();
        let mask: Vec<Vec<bool>> = rows.iter().map(|r| r.iter().map(|v| v.1).collect()).collect();
        let white = Whiten::default().apply(&values, &mask).unwrap();
        let seen: Vec<f64> = white
            .iter()
            .flatten()
            .zip(mask.iter().flatten())
            .filter(|(_, m)| **m)
            .map(|(v, _)| *v)
            .collect();
        let n = seen.len() as f64;
        prop_assert!(white.iter().flatten().all(|v| v.is_finite()));
        prop_assert!(seen.iter().sum::<f64>().abs() < 1e-7);
        if n > 1.0 {
            let variance = seen.iter().map(|v| v * v).sum::<f64>() / (n - 1.0);
            prop_assert!(variance < 1.0 + 1e-9);
        }
    }

    #[test]
    fn gae_with_both_factors_1_is_the_return_less_the_value(
        rows in prop::collection::vec((-2.0..2.0_f64, -2.0..2.0_f64, any::<bool>()), 1..8),
        holes in prop::sample::select(vec![Holes::Skip, Holes::Pass]),
    ) {
        let rewards = vec![rows.iter().map(|r| r.0).collect::<Vec<f64>>()];
        let values = vec![rows.iter().map(|r| r.1).collect::<Vec<f64>>()];
        let mask = vec![rows.iter().map(|r| r.2).collect::<Vec<bool>>()];
        let config = Gae { holes, ..Gae::default() };
        let (advantages, returns) = gae(&rewards, &values, &mask, &config).unwrap();
        let to_go = returns_to_go(&rewards, &mask, 1.0, holes).unwrap();
        for token in (0..rows.len()).filter(|t| mask[0][*t]) {
            prop_assert!((returns[0][token] - to_go[0][token]).abs() < 1e-9);
            let expected = to_go[0][token] - values[0][token];
            prop_assert!((advantages[0][token] - expected).abs() < 1e-9);
        }
    }

    #[test]
    fn pass_at_k_in_closed_form_is_the_mean_over_subsets(right in prop::collection::vec(any::<bool>(), 2..8), k in 1..5_usize) {
        prop_assume!(k <= right.len());
        let rewards: Vec<Option<f64>> = right.iter().map(|r| Some(f64::from(u8::from(*r)))).collect();
        let n = right.len();
        let ours = pass_at_k(&rewards, &vec![0; n], &PassAtK { k, ..PassAtK::default() }).unwrap();
        // All subsets of k rows, each worth its best; mean and deviation over them.
        let subsets: Vec<u32> = (0..1_u32 << n).filter(|s| s.count_ones() as usize == k).collect();
        let best = |s: u32| f64::from(u8::from((0..n).any(|row| s >> row & 1 == 1 && right[row])));
        let rho = subsets.iter().map(|s| best(*s)).sum::<f64>() / subsets.len() as f64;
        let sigma = (rho * (1.0 - rho)).sqrt();
        for row in 0..n {
            let own: Vec<f64> = subsets.iter().filter(|s| **s >> row & 1 == 1).map(|s| best(*s)).collect();
            let mean = own.iter().map(|b| b - rho).sum::<f64>() / own.len() as f64;
            let expected = if sigma > 1e-9 { mean / sigma } else { 0.0 };
            prop_assert!((ours[row] - expected).abs() < 1e-9, "{ours:?} {expected}");
        }
    }
}

#[test]
fn values_by_hand() {
    let some = |r: &[f64]| r.iter().copied().map(Some).collect::<Vec<_>>();
    // mean 1/4: (1 - 1/4) / (1/4).
    close(&max_rl(&some(&[1.0, 0.0, 0.0, 0.0]), &[0; 4]).unwrap(), &[3.0, -1.0, -1.0, -1.0]);
    close(&max_rl(&some(&[0.0, -1.0]), &[0; 2]).unwrap(), &[0.0, 0.0]);
    // (3 * 1 + 1 * 0) / 4.
    let lengths = [3.0, 1.0];
    close(&opo(&some(&[1.0, 0.0]), &lengths, &[0; 2], &Opo::default()).unwrap(), &[0.25, -0.75]);
    close(&opo(&some(&[1.0, 2.0]), &[0.0, 0.0], &[0; 2], &Opo::default()).unwrap(), &[0.0, 0.0]);
    // Four rows, of which two are in a group that says something.
    let rewards = some(&[1.0, 0.0, -1.0, -1.0]);
    close(&gpg(&rewards, &[0, 0, 1, 1], &Gpg::default()).unwrap(), &[1.0, -1.0, 0.0, 0.0]);
    let by_reward = Gpg { count: GpgCount::NonZero, ..Gpg::default() };
    let third = 0.5 * 4.0 / 3.0;
    close(&gpg(&rewards, &[0, 0, 1, 1], &by_reward).unwrap(), &[third, -third, 0.0, 0.0]);
    // k = 2 of n = 4, c = 1: rho = 1 - 3/6, sigma = 1/2; wrong: 1/2 - C(2,1)/C(3,1).
    let config = PassAtK { k: 2, ..PassAtK::default() };
    let wrong = (0.5 - 2.0 / 3.0) / 0.5;
    let ours = pass_at_k(&some(&[1.0, 0.0, 0.0, 0.0]), &[0; 4], &config).unwrap();
    close(&ours, &[1.0, wrong, wrong, wrong]);
    // Of two rows with the same best reward none is better.
    let ours = pass_at_k_max(&some(&[1.0, 1.0, 0.0]), &[0; 3], &PassAtKMax::default()).unwrap();
    close(&ours, &[0.0; 3]);
    let small = pass_at_k(&some(&[1.0]), &[0], &config).unwrap_err().to_string();
    assert!(small.contains("at least 2"), "{small}");
    // A pass rate of 1/2 takes half of the penalty.
    let costs = [10.0, 20.0].map(|output| Cost { output, ..Cost::default() });
    let config = LengthShaped { output: 1.0, input: 0.0, turns: 0.0 };
    let ours = length_shaped(&some(&[1.0, 0.0]), &costs, &[0; 2], &config).unwrap();
    close(&ours, &[0.625, -0.625]);
}

#[test]
fn otb_leaves_a_lone_row_alone_and_its_tail() {
    let (rewards, mask) = ([vec![0.0, 0.0, 1.0], vec![0.0]], [vec![true; 3], vec![true]]);
    let (old, sum_sq) = ([vec![-1.0; 3], vec![-1.0]], [vec![0.5; 3], vec![0.5]]);
    let inputs = |groups| OtbInputs {
        rewards: &rewards,
        mask: &mask,
        groups,
        old_logprobs: &old,
        sum_sq: &sum_sq,
        weights: None,
    };
    let apart = otb(&inputs(&[0, 1]), &Otb::default()).unwrap();
    close(&apart.concat(), &[1.0, 1.0, 1.0, 0.0]);
    let together = otb(&inputs(&[0, 0]), &Otb::default()).unwrap();
    // Where it is alone the baseline is its own return.
    close(&together.concat(), &[0.5, 0.0, 0.0, -0.5]);
    let tail = otb(&inputs(&[0, 0]), &Otb { zero_tail: true, ..Otb::default() }).unwrap();
    close(&tail.concat(), &[0.5, 1.0, 1.0, -0.5]);
}

/// A step of two groups of two rows with two tokens each.
struct Step {
    groups: Vec<Group>,
    scores: Vec<Score>,
    mask: Vec<Vec<bool>>,
    columns: Columns,
}

impl Step {
    fn new(scores: [Option<f64>; 4]) -> Self {
        let group = || Group { request: Request::default(), completions: vec![completion(2); 2] };
        let score = |s: Option<f64>| s.map_or_else(|| Score::unscorable("broken"), Score::value);
        Self {
            groups: vec![group(), group()],
            scores: scores.map(score).to_vec(),
            mask: vec![vec![true; 2]; 4],
            columns: Columns::default(),
        }
    }

    fn column(value: f32) -> Option<Ragged> {
        Some(Ragged::from_rows(vec![vec![value; 2]; 4], FROM))
    }

    fn run(&self, method: &mut dyn Advantage) -> Result<Advantages, BoxError> {
        method.advantages(&StepView {
            step: 0,
            groups: &self.groups,
            scores: &self.scores,
            mask: &self.mask,
            columns: &self.columns,
            advantages: None,
        })
    }
}

fn all_configs() -> Vec<AdvantageConfig> {
    let part = PartWeight { name: "right".to_owned(), weight: 1.0 };
    let kl = Some(KlInReward { beta: 0.5, ..KlInReward::default() });
    vec![
        AdvantageConfig::default(),
        AdvantageConfig::Gdpo(Gdpo { parts: vec![part], ..Gdpo::default() }),
        AdvantageConfig::Rloo(Rloo { kl, ..Rloo::default() }),
        AdvantageConfig::ReinforcePlusPlus(ReinforcePlusPlus { kl, ..Default::default() }),
        AdvantageConfig::ReinforcePlusPlusBaseline(ReinforcePlusPlusBaseline::default()),
        AdvantageConfig::ReinforcePlusPlusBaseline(ReinforcePlusPlusBaseline {
            kl,
            ..Default::default()
        }),
        AdvantageConfig::Remax(Remax {}),
        AdvantageConfig::Opo(Opo::default()),
        AdvantageConfig::Gpg(Gpg::default()),
        AdvantageConfig::PassAtKMax(PassAtKMax::default()),
        AdvantageConfig::PassAtK(PassAtK { k: 1, ..PassAtK::default() }),
        AdvantageConfig::MaxRl(MaxRl {}),
        AdvantageConfig::Rae(RaeConfig::default()),
        AdvantageConfig::Gae(Gae { kl, ..Gae::default() }),
        AdvantageConfig::Otb(Otb::default()),
        AdvantageConfig::LengthShaped(LengthShaped::default()),
        AdvantageConfig::Difficulty(DifficultyConfig::default()),
        AdvantageConfig::Distillation(Distillation::default()),
    ]
}

#[test]
fn every_advantage_runs_in_a_step_and_survives_a_file() {
    let mut step = Step::new([Some(1.0), Some(0.0), Some(1.0), None]);
    step.scores.iter_mut().for_each(|score| {
        if let Score::Value { total, parts, .. } = score {
            parts.push(("right".to_owned(), *total));
        }
    });
    step.columns = Columns {
        old_logprobs: Step::column(-1.0),
        ref_logprobs: Step::column(-1.5),
        values: Step::column(0.25),
        sum_sq: Step::column(0.5),
        greedy_rewards: Some(vec![Some(0.5), None]),
        entropy: None,
    };
    for config in all_configs() {
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<AdvantageConfig>(&text).unwrap(), config);
        let mut method = config.build().unwrap();
        let found = step.run(&mut method).unwrap();
        for row in 0..4 {
            for token in 0..2 {
                let advantage = found.at(row, token);
                assert!(advantage.is_finite(), "{config:?}");
                // The teacher judges what no reward does.
                let judged = matches!(config, AdvantageConfig::Distillation(_));
                assert!(row != 3 || judged || advantage == 0.0, "{config:?}");
            }
        }
        assert!((0..2).any(|token| found.at(0, token) != 0.0), "{config:?}");
        let needs = method.needs();
        assert_eq!(found.returns.is_some(), needs.values, "{config:?}");
        // Without its columns it says which one is missing.
        let bare = Step::new([Some(1.0), Some(0.0), Some(1.0), None]);
        let wants = needs != refire_core::Needs::NONE;
        let unparted = matches!(config, AdvantageConfig::Gdpo(_));
        match bare.run(&mut config.build().unwrap()) {
            Ok(_) => assert!(!wants && !unparted, "{config:?}"),
            Err(_) => assert!(wants || unparted, "{config:?}"),
        }
    }
}

#[test]
fn kl_in_the_reward_is_taken_from_each_token() {
    let mut step = Step::new([Some(1.0), Some(0.0), Some(1.0), Some(1.0)]);
    step.columns.old_logprobs = Step::column(-1.0);
    step.columns.ref_logprobs = Step::column(-1.5);
    step.columns.values = Step::column(0.0);
    // k1 is 0.5: half of it at each of two tokens.
    let kl = Some(KlInReward { beta: 0.5, ..KlInReward::default() });
    let mut gae = Gae { whiten: None, kl, ..Gae::default() };
    let found = step.run(&mut gae).unwrap();
    assert_eq!([found.at(0, 0), found.at(0, 1)], [0.5, 0.75]);
    let AdvantageValues::PerToken(values) = &found.values else { panic!("one per token") };
    assert_eq!(found.returns.as_ref(), Some(values));
    let mut rloo = Rloo { kl, ..Rloo::default() };
    let found = step.run(&mut rloo).unwrap();
    // The same for all rows: it cancels.
    assert_eq!([found.at(0, 0), found.at(1, 0), found.at(2, 0)], [1.0, -1.0, 0.0]);
}

#[test]
fn token_rewards_come_on_top_of_the_total() {
    let mut step = Step::new([Some(1.0), Some(0.0), Some(0.0), Some(0.0)]);
    step.columns.greedy_rewards = Some(vec![Some(0.0), Some(0.5)]);
    step.scores[0] =
        Score::Value { total: 1.0, parts: Vec::new(), per_token: Some(vec![0.25, 0.0]) };
    let found = step.run(&mut Remax {}).unwrap();
    assert_eq!([found.at(0, 0), found.at(0, 1), found.at(2, 0)], [1.25, 1.0, -0.5]);
    step.scores[0] = Score::Value { total: 1.0, parts: Vec::new(), per_token: Some(vec![0.25]) };
    assert!(step.run(&mut Remax {}).unwrap_err().to_string().contains("per_token"));
}

#[test]
fn rae_remembers_across_a_restart() {
    let config = AdvantageConfig::Rae(RaeConfig { decay: 0.5, ..RaeConfig::default() });
    let step = Step::new([Some(1.0), Some(1.0), None, Some(0.0)]);
    let mut method = config.build().unwrap();
    let first = step.run(&mut method).unwrap();
    assert_eq!(
        [first.at(0, 0), first.at(1, 0), first.at(2, 0), first.at(3, 0)],
        [1.0, 0.5, 0.0, -0.75]
    );
    let saved = method.state().unwrap();
    let next = step.run(&mut method).unwrap();
    let mut fresh = config.build().unwrap();
    fresh.restore(&saved).unwrap();
    assert_eq!(step.run(&mut fresh).unwrap(), next);
    assert_ne!(step.run(&mut config.build().unwrap()).unwrap(), next);
    assert!(fresh.restore(b"{").is_err());
}

#[test]
fn difficulty_weighs_groups() {
    let step = Step::new([Some(1.0), Some(0.0), Some(0.0), Some(0.5)]);
    let base = Box::new(AdvantageConfig::GroupNorm(GroupNorm::centred()));
    let weight = DifficultyWeight::Linear { slope: 1.0 };
    let config = AdvantageConfig::Difficulty(DifficultyConfig { base, weight });
    let found = step.run(&mut config.build().unwrap()).unwrap();
    assert_eq!([found.at(0, 0), found.at(3, 0)], [0.5, 0.25 * 1.25]);
}

#[test]
fn invalid_settings_are_refused() {
    let bad = [
        r#"{"kind": "gae", "gamma": 1.5}"#,
        r#"{"kind": "gae", "holes": "cut"}"#,
        r#"{"kind": "rae", "decay": 1.0}"#,
        r#"{"kind": "pass_at_k", "k": 0}"#,
        r#"{"kind": "rloo", "normalize_eps": 0.0}"#,
        r#"{"kind": "reinforce_plus_plus", "whiten": {"eps": 0.0}}"#,
        r#"{"kind": "difficulty", "base": {"kind": "group_norm", "eps": -1.0}}"#,
        r#"{"kind": "length_shaped", "turns": -1.0}"#,
        r#"{"kind": "distillation", "clamp": 0.0}"#,
        r#"{"kind": "gpg", "norm": 0.0}"#,
    ];
    for text in bad {
        let config: AdvantageConfig = serde_json::from_str(text).unwrap();
        assert!(!config.validate().is_empty() && config.build().is_err(), "{text}");
    }
    assert!(serde_json::from_str::<AdvantageConfig>(r#"{"kind": "opo", "lenght": 1}"#).is_err());
}
