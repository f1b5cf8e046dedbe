//! What must hold of every loss: its gradient is the slope of its value, and both are finite
//! whatever the inputs.
#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::{DType, Device, Tensor, TensorData};
use proptest::prelude::*;
use refire_dpo::loss::{self, AftConstraint, KtoWeights, ModpoLoss};
use refire_dpo::{FDivergence, reward};

type Pairwise = fn(Tensor<1>, Tensor<1>) -> Tensor<1>;

/// Losses of two columns, by name. Constants are chosen so that no kink is at a round number.
const LOSSES: [(&str, Pairwise); 25] = [
    ("sigmoid", |w, l| loss::sigmoid(w, l, 0.1)),
    ("cdpo", |w, l| loss::cdpo(w, l, 0.3, 0.1)),
    ("odpo", |w, l| {
        let offset = w.ones_like() * 0.7;
        loss::odpo(w, l, offset, 0.3)
    }),
    ("hinge", |w, l| loss::hinge(w, l, 0.137)),
    ("ipo", |w, l| loss::ipo(w, l, 0.2)),
    ("ipo_norm", |w, l| {
        let (n_w, n_l) = (w.ones_like() * 3.0, l.zeros_like());
        loss::ipo_norm(w, l, n_w, n_l, 0.2)
    }),
    ("exo_pair", |w, l| loss::exo_pair(w, l, 0.2, 0.01)),
    ("nca_pair", |w, l| loss::nca_pair(w, l, 0.2)),
    ("robust", |w, l| loss::robust(w, l, 0.2, 0.2)),
    ("bco_pair", |w, l| loss::bco_pair(w, l, 0.2)),
    ("sppo_hard", |w, l| loss::sppo_hard(w, l, 0.2)),
    ("aot", |w, l| {
        let zero = || w.zeros_like();
        loss::aot(w.clone(), l, zero(), zero(), 0.2, 0.1)
    }),
    ("aot_unpaired", |w, l| loss::aot_unpaired(w, l, 0.2, 0.1)),
    ("apo_zero", |w, l| loss::apo_zero(w, l, 0.2)),
    ("apo_down", |w, l| loss::apo_down(w.clone(), w, l, 0.2)),
    ("discopop", |w, l| loss::discopop(w, l, 0.2, 0.05)),
    ("discopop, warm", |w, l| loss::discopop(w, l, 0.2, 2.0)),
    ("sigmoid_norm", |w, l| {
        let (n_w, n_l) = (w.ones_like() * 3.0, l.ones_like() * 2.0);
        loss::sigmoid_norm(w, l, n_w, n_l, 2.0)
    }),
    ("simpo", |w, l| loss::simpo(w, l, 2.0, 0.7, 0.1)),
    ("modpo", |w, l| loss::modpo(w, l, ModpoLoss::Sigmoid)),
    ("modpo, hinge", |w, l| loss::modpo(w * 0.137, l, ModpoLoss::Hinge)),
    ("copg", |w, l| {
        let (a, b) = (w.ones_like(), l.zeros_like());
        loss::copg(w, l, a, b, 0.3)
    }),
    ("kto", |w, l| {
        let labels = Tensor::cat(vec![w.ones_like(), l.zeros_like()], 0);
        let weights = KtoWeights { desirable: 1.5, undesirable: 0.5 };
        loss::kto(Tensor::cat(vec![w, l], 0), labels, 0.4, 0.2, weights)
    }),
    ("bco", |w, l| {
        let labels = Tensor::cat(vec![w.ones_like(), l.zeros_like()], 0);
        loss::bco(Tensor::cat(vec![w, l], 0), labels, 0.4, 0.2)
    }),
    ("bradley_terry", |w, l| {
        let margins = w.ones_like() * 0.3;
        reward::bradley_terry(w.clone(), l.clone(), Some(margins)) + reward::centring(w, l) * 0.01
    }),
];

/// Losses of two columns that are log-probabilities, at most 0.
const OF_LOGPS: [(&str, Pairwise); 3] = [
    ("orpo", |w, l| loss::orpo(w, l, 0.3)),
    ("alphapo", |w, l| {
        let reward = |x| loss::alphapo_rewards(x, 0.25);
        loss::simpo(reward(w), reward(l), 2.0, 0.7, 0.0)
    }),
    ("alphapo, negative", |w, l| {
        let reward = |x| loss::alphapo_rewards(x, -0.5);
        loss::simpo(reward(w), reward(l), 2.0, 0.7, 0.0)
    }),
];

/// Losses of a group of right and wrong rows.
const OF_GROUPS: [(&str, Pairwise); 5] = [
    ("aft", |p, n| loss::aft(p, n, AftConstraint::None)),
    ("aft, boundary", |p, n| loss::aft(p, n, AftConstraint::Boundary { beta: 0.3 })),
    ("aft, detached", |p, n| loss::aft(p, n, AftConstraint::Detached)),
    ("rrhf", |p, n| {
        let rewards: Vec<f64> = (0..2 * p.dims()[0]).map(|row| (row % 3) as f64).collect();
        loss::rrhf(Tensor::cat(vec![p, n], 0), &rewards)
    }),
    ("pro", |p, n| {
        let rewards: Vec<f64> = (0..2 * p.dims()[0]).map(|row| (row % 3) as f64).collect();
        loss::pro(Tensor::cat(vec![p, n], 0), &rewards)
    }),
];

const DIVERGENCES: [FDivergence; 6] = [
    FDivergence::ReverseKl,
    FDivergence::ForwardKl,
    FDivergence::JsDivergence,
    FDivergence::AlphaDivergence { coefficient: 0.5 },
    FDivergence::AlphaDivergence { coefficient: -1.0 },
    FDivergence::AlphaDivergence { coefficient: 2.0 },
];

fn leaf(values: &[f64], dtype: DType) -> Tensor<1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::<1>::from_data(data, (&Device::flex().autodiff(), dtype)).require_grad()
}

fn host(x: Tensor<1>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// Sum of the loss, and its gradient by both columns.
fn gradients(
    f: &dyn Fn(Tensor<1>, Tensor<1>) -> Tensor<1>,
    columns: [&[f64]; 2],
    dtype: DType,
) -> (f64, Vec<f64>) {
    let (w, l) = (leaf(columns[0], dtype), leaf(columns[1], dtype));
    let total = f(w.clone(), l.clone()).sum();
    let value = host(total.clone())[0];
    let gradients = total.backward();
    let of = |x: &Tensor<1>| x.grad(&gradients).map_or_else(|| vec![0.0; x.dims()[0]], host);
    (value, [of(&w), of(&l)].concat())
}

fn agrees_with_differences(name: &str, f: Pairwise, columns: [&[f64]; 2], skip: &[usize]) {
    let (_, slopes) = gradients(&f, columns, DType::F64);
    let all = columns.concat();
    let n = columns[0].len();
    for (at, slope) in slopes.iter().enumerate() {
        if skip.contains(&at) {
            continue;
        }
        let step = 1e-5;
        let shifted = |by: f64| {
            let mut moved = all.clone();
            moved[at] += by;
            gradients(&f, [&moved[..n], &moved[n..]], DType::F64).0
        };
        let difference = (shifted(step) - shifted(-step)) / (2.0 * step);
        let size = 1.0 + difference.abs();
        assert!((slope - difference).abs() < 1e-5 * size, "{name}[{at}]: {slope}, {difference}");
    }
}

fn distinct(values: &[f64]) -> bool {
    let gap = |a: usize, b: usize| (values[a] - values[b]).abs() > 1e-3;
    (0..values.len()).all(|a| (0..a).all(|b| gap(a, b)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn gradients_are_slopes(columns in prop::collection::vec(-6.0..-0.05_f64, 6)) {
        prop_assume!(distinct(&columns));
        let (w, l) = columns.split_at(3);
        for (name, f) in LOSSES.iter().chain(&OF_LOGPS) {
            agrees_with_differences(name, *f, [w, l], &[]);
        }
        for (name, f) in OF_GROUPS {
            // What is detached has no gradient, and the least right score is a constant.
            let lowest = (0..3).min_by(|a, b| w[*a].total_cmp(&w[*b])).unwrap();
            let skip: Vec<usize> = match name {
                "aft, detached" => (3..6).collect(),
                "aft, boundary" => vec![lowest],
                _ => Vec::new(),
            };
            agrees_with_differences(name, f, [w, l], &skip);
        }
    }

    #[test]
    fn scores_have_slopes(columns in prop::collection::vec(-6.0..6.0_f64, 6)) {
        let (w, l) = columns.split_at(3);
        for divergence in DIVERGENCES {
            let f = |w: Tensor<1>, l: Tensor<1>| {
                loss::sigmoid(divergence.scores(w), divergence.scores(l), 0.1)
            };
            let (_, slopes) = gradients(&f, [w, l], DType::F64);
            for (at, slope) in slopes.iter().enumerate() {
                let shifted = |by: f64| {
                    let mut moved = columns.clone();
                    moved[at] += by;
                    gradients(&f, [&moved[..3], &moved[3..]], DType::F64).0
                };
                let difference = (shifted(1e-6) - shifted(-1e-6)) / 2e-6;
                let close = (slope - difference).abs() < 1e-4 * (1.0 + difference.abs());
                prop_assert!(close, "{divergence:?}[{at}]: {slope}, {difference}");
            }
        }
    }

    #[test]
    fn swapping_a_pair_mirrors_it(w in -50.0..50.0_f64, l in -50.0..50.0_f64) {
        let value = |f: Pairwise, w: f64, l: f64| gradients(&f, [&[w], &[l]], DType::F64).0;
        let logistic: Pairwise = |w, l| loss::sigmoid(w, l, 0.3);
        let difference = value(logistic, w, l) - value(logistic, l, w);
        prop_assert!((difference + 0.3 * (w - l)).abs() < 1e-9);
        // A sure swap of labels is a swap of rows.
        let (smooth, rest): (Pairwise, Pairwise) =
            (|w, l| loss::cdpo(w, l, 0.3, 0.2), |w, l| loss::cdpo(w, l, 0.3, 0.8));
        prop_assert!((value(smooth, w, l) - value(rest, l, w)).abs() < 1e-9);
        let hinge: Pairwise = |w, l| loss::hinge(w, l, 0.3);
        prop_assert!(value(hinge, w, l) + value(hinge, l, w) >= 2.0 - 1e-9);
    }
}

#[test]
fn equal_policies_lose_ln_2() {
    let (value, slopes) = gradients(&|w, l| loss::sigmoid(w, l, 0.1), [&[0.0], &[0.0]], DType::F64);
    assert!((value - std::f64::consts::LN_2).abs() < 1e-15);
    assert_eq!(slopes, [-0.05, 0.05]);
}

const EXTREMES: [f64; 9] = [-1e4, -1e3, -700.0, -1.0, 0.0, 1.0, 700.0, 1e3, 1e4];

fn all_finite(name: &str, f: &dyn Fn(Tensor<1>, Tensor<1>) -> Tensor<1>, values: &[f64]) {
    for dtype in [DType::F64, DType::F32] {
        for w in values {
            for l in values {
                // A partner in the batch, for losses that sort or rank.
                let (value, slopes) = gradients(f, [&[*w, -0.3], &[*l, -0.9]], dtype);
                let finite = value.is_finite() && slopes.iter().all(|slope| slope.is_finite());
                assert!(finite, "{name} in {dtype:?} at {w}, {l}: {value}, {slopes:?}");
            }
        }
    }
}

#[test]
fn extreme_inputs_stay_finite() {
    for (name, f) in LOSSES.iter().chain(&OF_GROUPS) {
        all_finite(name, f, &EXTREMES);
    }
    let logps: Vec<f64> = EXTREMES.into_iter().filter(|x| *x <= 0.0).collect();
    for (name, f) in OF_LOGPS {
        all_finite(name, &f, &logps);
    }
}

#[test]
fn extreme_scores_stay_finite() {
    for (name, f) in LOSSES {
        for divergence in DIVERGENCES {
            let scored = |w: Tensor<1>, l: Tensor<1>| f(divergence.scores(w), divergence.scores(l));
            all_finite(&format!("{name} of {divergence:?}"), &scored, &EXTREMES);
        }
    }
}

#[test]
fn a_lost_pair_still_learns() {
    // The peers' exponentials are infinite here, and the gradients not numbers.
    let divergence = FDivergence::ForwardKl;
    let f =
        |w: Tensor<1>, l: Tensor<1>| loss::sigmoid(divergence.scores(w), divergence.scores(l), 0.1);
    let (_, slopes) = gradients(&f, [&[-1000.0], &[0.0]], DType::F64);
    assert!(slopes[0] < -1e30 && slopes[1] == 0.1, "{slopes:?}");
    let discopop = |w, l| loss::discopop(w, l, 0.1, 0.05);
    let (value, slopes) = gradients(&discopop, [&[-1e4], &[1e4]], DType::F64);
    assert_eq!((value, slopes), (2000.0, vec![-0.1, 0.1]));
}
