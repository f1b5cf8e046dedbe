//! Gradients against finite differences, and against what they must be at a ratio of 1.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken test should fail")]

mod support;

use burn::tensor::{DType, Device, Tensor, TensorData};
use proptest::prelude::*;
use refire_grpo::PolicyLossConfig;
use refire_grpo::loss::{
    Cispo, Gppo, LossKind, Rec, RecClip, RecWeight, Reinforce, Topr, Vespo, cispo, gppo,
    gspo_token, rec, topr, vespo,
};
use refire_objective::{Aggregation, KlClamp, KlEstimator, RowCount};
use support::batch::{Batch, Rows, flat, gap, prepared, whole};
use support::configs;

const STEP: f64 = 1e-6;

fn few() -> ProptestConfig {
    ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() }
}

/// Configurations whose gradient isn't that of their value: weights and ratios held constant.
const HELD: &[&str] = &[
    "cispo",
    "cispo_upper",
    "gppo",
    "ce_gppo",
    "vespo",
    "topr",
    "rec_two_side",
    "distillation",
    "gspo_token",
    "k1_straight",
    "k3_straight",
    "vespo_corrected",
];

/// The value with one log-probability moved; what the step knows stays.
fn differences(config: &PolicyLossConfig, batch: &Batch) -> Rows {
    let (objective, context) = prepared(config, batch);
    let counts = batch.counts(1);
    let value = |row: usize, token: usize, by: f64| {
        let mut moved = batch.clone();
        moved.logprobs[row][token] += by;
        moved.run(&objective, &context, &counts).total
    };
    let slope = |row, token| (value(row, token, STEP) - value(row, token, -STEP)) / (2.0 * STEP);
    (0..batch.ids.len()).map(|row| (0..batch.width()).map(|t| slope(row, t)).collect()).collect()
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn gradients_are_those_of_the_value(seed in any::<u64>(), rows in 1..5_usize, time in 1..5_usize) {
        // Contrasts take rows of a group for equals: none is empty or weighs more.
        let batch = Batch::random(seed, rows, time);
        let mut full = batch.clone().full();
        full.weights.iter_mut().for_each(|row| row.fill(1.0));
        for (name, config) in configs::all().into_iter().filter(|(name, _)| !HELD.contains(name)) {
            let batch = if name == "copg" { &full } else { &batch };
            let gap = gap(&whole(&config, batch).logprobs, &differences(&config, batch));
            prop_assert!(gap < 1e-6, "{name}: {gap}");
        }
    }

    #[test]
    fn a_ratio_of_one_gives_reinforce(seed in any::<u64>(), rows in 1..6_usize, time in 1..6_usize) {
        let mut batch = Batch::random(seed, rows, time).on_policy();
        batch.weights.iter_mut().for_each(|row| row.fill(1.0));
        let reinforce = |aggregation| PolicyLossConfig {
            surrogate: LossKind::Reinforce(Reinforce {}),
            aggregation,
            ..PolicyLossConfig::default()
        };
        let sums = Aggregation::SeqMeanTokenSum { rows: RowCount::All };
        let same = [
            "ppo_clip", "dual_clip", "delta", "cispo", "gppo", "ce_gppo", "sapo", "vespo", "gmpo",
            "kl_cov", "topr", "rec_one_side", "rec_two_side", "gspo", "gspo_token", "luspo",
        ];
        for (name, config) in configs::all() {
            let ours = whole(&config, &batch).logprobs;
            let expected = if same.contains(&name) {
                whole(&reinforce(config.aggregation), &batch).logprobs
            } else if name == "kimi" || name == "rloo" {
                // Whole rows: the ratio is that of the sum.
                whole(&reinforce(sums), &batch).logprobs
            } else {
                continue;
            };
            // GMPO adds 1e-10 to weights.
            prop_assert!(gap(&ours, &expected) < 1e-9, "{name}: {ours:?} {expected:?}");
        }
    }

    #[test]
    fn k3_is_never_negative_and_estimators_agree_with_their_numbers(
        u in prop::collection::vec(-30.0..30.0_f64, 1..20),
        bound in prop::option::of(0.1..25.0_f64),
    ) {
        let device = Device::flex().autodiff();
        let size = [1, u.len()];
        let now = Tensor::<2>::from_data(TensorData::new(u.clone(), size), (&device, DType::F64));
        let now = now.require_grad();
        for estimator in [
            KlEstimator::K1,
            KlEstimator::K2,
            KlEstimator::K3,
            KlEstimator::Abs,
            KlEstimator::K1StraightThrough,
            KlEstimator::K3StraightThrough,
        ] {
            let clamp = KlClamp { log_ratio: bound, value: bound };
            let kl = estimator.clamped(now.clone(), now.clone().detach().zeros_like(), clamp);
            let slopes = flat(now.grad(&kl.clone().sum().backward()).unwrap());
            let values = flat(kl);
            let numbers: Vec<(f64, f64)> = u.iter().map(|u| estimator.at(*u, clamp)).collect();
            let ours: Rows = vec![numbers.iter().map(|n| n.0).collect()];
            prop_assert!(gap(&ours, &values) < 1e-12, "{estimator:?}");
            let ours: Rows = vec![numbers.iter().map(|n| n.1).collect()];
            prop_assert!(gap(&ours, &slopes) < 1e-12, "{estimator:?}");
            if matches!(estimator, KlEstimator::K3 | KlEstimator::K3StraightThrough) {
                // To rounding: near 0 the terms cancel.
                prop_assert!(values[0].iter().all(|v| *v >= -1e-14), "{estimator:?}");
            }
        }
    }
}

/// `[1, n]` in 64 bits, with a gradient.
fn leaf(values: &[f64]) -> Tensor<2> {
    let device = Device::flex().autodiff();
    let data = TensorData::new(values.to_vec(), [1, values.len()]);
    Tensor::from_data(data, (&device, DType::F64)).require_grad()
}

/// The gradient of a loss on log-probabilities, and the differences of its value.
fn both(now: &[f64], loss: impl Fn(Tensor<2>) -> Tensor<2>) -> (Rows, Rows) {
    let x = leaf(now);
    let gradient = flat(x.grad(&loss(x.clone()).sum().backward()).unwrap());
    let value = |token: usize, by: f64| {
        let mut moved = now.to_vec();
        moved[token] += by;
        loss(leaf(&moved)).sum().into_scalar::<f64>()
    };
    let slope = |t| (value(t, STEP) - value(t, -STEP)) / (2.0 * STEP);
    (gradient, vec![(0..now.len()).map(slope).collect()])
}

const NOW: [f64; 4] = [-1.0, -0.5, -2.0, -1.5];
const OLD: [f64; 4] = [-1.5, -0.45, -1.2, -1.5];
const ADVANTAGES: [f64; 4] = [1.0, -0.5, -2.0, 0.7];

/// Where weights are constants, the differences are taken with the weights held.
#[test]
fn held_weights_have_the_gradient_of_the_rest() {
    let constant = |values: &[f64]| leaf(values).detach();
    let (old, advantages) = (constant(&OLD), constant(&ADVANTAGES));
    let ratio = (constant(&NOW) - old.clone()).exp();
    let mask = ratio.ones_like();
    let check = |name: &str, loss: &dyn Fn(Tensor<2>) -> Tensor<2>| {
        let (gradient, differences) = both(&NOW, loss);
        assert!(gap(&gradient, &differences) < 1e-8, "{name}");
        assert!(gradient[0].iter().any(|g| *g != 0.0), "{name}");
    };
    let bounds = Cispo { lower: Some(0.8), upper: 1.2 };
    check("cispo", &|now| cispo(now, ratio.clone(), advantages.clone(), bounds));
    check("topr", &|now| topr(now, ratio.clone(), advantages.clone(), Topr::default()));
    let config = Rec { clip: RecClip::OneSide, weight: RecWeight::Importance, ..Rec::default() };
    check("rec", &|now| rec(now, old.clone(), ratio.clone(), advantages.clone(), &config));
    let log_ratio = ratio.clone().log();
    check("vespo", &|now| {
        let (a, m) = (advantages.clone(), mask.clone());
        vespo(now, log_ratio.clone(), a, m, None, &Vespo::default())
    });
}

#[test]
fn gppo_keeps_the_weight_of_the_bound() {
    let log_ratio = leaf(&[0.5, 0.5, -0.5, -0.5, 0.1]);
    let advantages = leaf(&[1.0, -1.0, 1.0, -1.0, 2.0]).detach();
    let config = Gppo { beta_low: 0.5, beta_high: 0.9, ..Gppo::default() };
    let loss = gppo(log_ratio.clone(), advantages, &config);
    let gradient = flat(log_ratio.grad(&loss.sum().backward()).unwrap());
    let expected =
        vec![vec![-0.9 * 1.2, 0.5_f64.exp(), -(-0.5_f64).exp(), 0.5 * 0.8, -2.0 * 0.1_f64.exp()]];
    assert!(gap(&gradient, &expected) < 1e-12, "{gradient:?}");
}

#[test]
fn gspo_token_weighs_each_token_by_its_own_advantage() {
    let now = leaf(&NOW);
    let (old, advantages) = (leaf(&OLD).detach(), leaf(&ADVANTAGES).detach());
    let range = refire_grpo::loss::ClipRange { low: 0.9, high: 9.0 };
    let loss = gspo_token(now.clone(), old, advantages, now.ones_like().detach(), range);
    let gradient = flat(now.grad(&loss.sum().backward()).unwrap());
    let mean = NOW.iter().zip(OLD).map(|(n, o)| n - o).sum::<f64>() / 4.0;
    let expected = vec![ADVANTAGES.iter().map(|a| -a * mean.exp()).collect()];
    assert!(gap(&gradient, &expected) < 1e-12);
}
