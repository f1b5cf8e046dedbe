//! What must hold of every likelihood objective: its gradient depends on nothing but the step.
#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::{DType, Device, Tensor, TensorData};
use proptest::prelude::*;
use refire_core::{BoxError, Metrics, Purpose, Stateful, Stream};
use refire_objective::{Counts, Objective, Scope, StepContext, Targets, TokenStats};
use refire_sft::input::{MaskedThoughtConfig, NeftuneConfig, Replacement};
use refire_sft::loss::{
    AsftConfig, DistillConfig, IftConfig, MultiTargetConfig, Sharpness, Side, dft, ift, ift_weights,
};
use refire_sft::weight::GainConfig;
use refire_sft::{LikelihoodConfig, NllConfig, SftError, divergence, mask};

const WIDTH: usize = 5;

/// Rows of random columns.
struct World {
    masks: Vec<[bool; WIDTH]>,
    columns: Vec<[Vec<f64>; 6]>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut draws = Stream::new(seed, Purpose::named("world"), 0, 0, 0);
        let rows = 4;
        let mask = |draws: &mut Stream| std::array::from_fn(|t| t == 0 || draws.uniform() < 0.7);
        let masks = (0..rows).map(|_| mask(&mut draws)).collect();
        let column = |draws: &mut Stream| (0..WIDTH).map(|_| 0.1 + draws.uniform()).collect();
        let columns = (0..rows).map(|_| std::array::from_fn(|_| column(&mut draws))).collect();
        Self { masks, columns }
    }

    fn counts(&self, micro_batches: usize) -> Counts {
        Counts::of(&self.masks, micro_batches)
    }
}

fn options() -> (Device, DType) {
    (Device::flex().autodiff(), DType::F64)
}

fn host<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.clone().detach().into_data().iter::<f64>().collect()
}

/// Total, gradient per row, metrics.
type Outcome = (f64, Vec<(usize, Vec<f64>)>, Metrics);

fn run(
    world: &World,
    rows: &[usize],
    counts: &Counts,
    (objective, context): (&dyn Objective, &StepContext),
    junk: Option<f64>,
    padding: usize,
) -> Outcome {
    let width = WIDTH + padding;
    let (device, dtype) = options();
    let grid = |values: Vec<f64>| {
        let data = TensorData::new(values, [rows.len(), width]);
        Tensor::<2>::from_data(data, (&device, dtype))
    };
    let shown = |row: usize, t: usize| t < WIDTH && world.masks[row][t];
    let places = || rows.iter().flat_map(|row| (0..width).map(move |t| (*row, t)));
    let column = |index: usize, sign: f64| {
        let value = |(row, t): (usize, usize)| match junk {
            Some(junk) if !shown(row, t) => junk,
            _ => world.columns[row][index].get(t).map_or(0.0, |x| x * sign),
        };
        grid(places().map(value).collect())
    };
    let logprobs = column(0, -1.0).require_grad();
    let mut stats = TokenStats::from_logprobs(logprobs.clone());
    stats.mean_logprob = Some(column(1, -2.0));
    stats.full_kl = Some(column(2, 1.0));
    stats.entropy = Some(column(3, 1.0));
    let shown = places().map(|(row, t)| f64::from(u8::from(shown(row, t))));
    let mut targets = Targets::new(grid(shown.collect()));
    targets.ref_logprobs = Some(column(4, -1.0));
    targets.weights = Some(column(5, 1.0));
    targets.labels = Some(rows.iter().map(|row| (row % 2) as f64).collect());
    let loss = objective.loss(&stats, &targets, context, counts).unwrap();
    let total = host(&loss.total)[0];
    let gradient = logprobs.grad(&loss.total.backward());
    let gradient = gradient.map_or_else(|| vec![0.0; rows.len() * width], |g| host(&g));
    let gradient = rows.iter().zip(gradient.chunks(width));
    let gradient = gradient.map(|(row, g)| (*row, g[..WIDTH].to_vec())).collect();
    let mut metrics = Metrics::default();
    metrics.extend(loss.metrics);
    (total, gradient, metrics)
}

fn every() -> Vec<LikelihoodConfig> {
    let ift = |side, sharpness| {
        LikelihoodConfig::Ift(IftConfig { side, sharpness, ..Default::default() })
    };
    let sharpness = [Sharpness::Log, Sharpness::L1, Sharpness::L2, Sharpness::Softmax];
    let mut all = vec![
        LikelihoodConfig::Nll(NllConfig { label_smoothing: 0.1 }),
        LikelihoodConfig::Dft {},
        LikelihoodConfig::Asft(AsftConfig::default()),
        LikelihoodConfig::MultiTarget(MultiTargetConfig::default()),
        LikelihoodConfig::Distill(DistillConfig { nll_weight: 0.3, ..Default::default() }),
        LikelihoodConfig::OnPolicyDistill {},
        LikelihoodConfig::MiniLlm {},
    ];
    all.extend(sharpness.map(|s| ift(Side::Past, s)));
    all.extend(sharpness.map(|s| ift(Side::Future, s)));
    all
}

fn context(world: &World) -> StepContext {
    let tokens = |row: usize| world.masks[row].iter().filter(|m| **m).count();
    let rows = (0..world.masks.len()).map(|row| (row % 2, tokens(row)));
    MultiTargetConfig::default().build().unwrap().context(rows).unwrap()
}

fn close(mut ours: Vec<(usize, Vec<f64>)>, theirs: &[(usize, Vec<f64>)], what: &str) {
    ours.sort_by_key(|(row, _)| *row);
    for ((row, a), (_, b)) in ours.iter().zip(theirs) {
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= 1e-11 * b.abs().max(1.0), "{what}, row {row}: {a}, {b}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_gradient_depends_on_the_step_alone(seed in any::<u64>()) {
        let world = World::new(seed);
        let context = context(&world);
        let rows: Vec<usize> = (0..world.masks.len()).collect();
        for config in every() {
            let name = format!("{config:?}");
            let built = config.build().unwrap();
            let objective = (built.as_ref(), &context);
            let counts = world.counts(1);
            let (total, expected, metrics) = run(&world, &rows, &counts, objective, None, 0);
            prop_assert!(expected.iter().flat_map(|(_, g)| g).any(|g| *g != 0.0)
                || matches!(config, LikelihoodConfig::Distill(_)));
            for junk in [f64::NAN, f64::INFINITY, -1e30] {
                let (other, gradient, found) =
                    run(&world, &rows, &counts, objective, Some(junk), 2);
                close(gradient, &expected, &name);
                prop_assert!((other - total).abs() < 1e-12, "{name}");
                prop_assert_eq!(&found, &metrics);
            }
            let turned = run(&world, &[2, 0, 3, 1], &counts, objective, None, 0);
            close(turned.1, &expected, &name);
            prop_assert!(built.scope() <= Scope::Row);
            let counts = world.counts(2);
            let parts = [&rows[..1], &rows[1..]]
                .map(|part| run(&world, part, &counts, objective, None, 1));
            let sum: f64 = parts.iter().map(|part| part.0).sum();
            prop_assert!((sum - total).abs() < 1e-11, "{name}");
            close(parts.into_iter().flat_map(|part| part.1).collect(), &expected, &name);
        }
    }

    #[test]
    fn slopes_agree_with_differences(seed in any::<u64>()) {
        let mut draws = Stream::new(seed, Purpose::named("slopes"), 0, 0, 0);
        let (device, dtype) = options();
        let mask = || Tensor::<2>::from_data(
            TensorData::new(vec![1.0, 1.0, 0.0, 1.0], [1, 4]), (&device, dtype));
        let values: Vec<f64> = (0..4).map(|_| -0.1 - 2.0 * draws.uniform()).collect();
        let leaf = |values: &[f64]| Tensor::<2>::from_data(
            TensorData::new(values.to_vec(), [1, 4]), (&device, dtype)).require_grad();
        for config in every() {
            // The least sum of a row is where several tokens may change places.
            let LikelihoodConfig::Ift(config) = config else { continue };
            let total = |values: &[f64]| {
                let x = leaf(values);
                let total = (ift(x.clone(), mask(), &config) * mask()).sum();
                (host(&total)[0], host(&x.grad(&total.backward()).unwrap()))
            };
            let (_, slopes) = total(&values);
            for at in [0, 1, 3] {
                let shifted = |by: f64| {
                    let mut moved = values.clone();
                    moved[at] += by;
                    total(&moved).0
                };
                let difference = (shifted(1e-6) - shifted(-1e-6)) / 2e-6;
                let gap = (slopes[at] - difference).abs();
                prop_assert!(gap < 1e-5 * (1.0 + difference.abs()), "{config:?}[{at}]");
            }
        }
    }

    #[test]
    fn divergences_are_positive_and_have_slopes(
        logits in prop::collection::vec(-4.0..4.0_f64, 6),
        beta in 0.0..=1.0_f64,
    ) {
        let (device, dtype) = options();
        let tensor = |values: &[f64]| Tensor::<3>::from_data(
            TensorData::new(values.to_vec(), [1, 1, 3]), (&device, dtype));
        let log_probs = |x: Tensor<3>| burn::tensor::activation::log_softmax(x, 2);
        let value = |values: &[f64]| {
            let x = tensor(values).require_grad();
            let teacher = log_probs(tensor(&logits[3..]));
            let d = divergence::jensen_shannon(log_probs(x.clone()), teacher, beta).sum();
            (host(&d)[0], host(&x.grad(&d.backward()).unwrap()))
        };
        let (d, slopes) = value(&logits[..3]);
        prop_assert!(d >= -1e-12);
        for at in 0..3 {
            let shifted = |by: f64| {
                let mut moved = logits[..3].to_vec();
                moved[at] += by;
                value(&moved).0
            };
            let difference = (shifted(1e-6) - shifted(-1e-6)) / 2e-6;
            prop_assert!((slopes[at] - difference).abs() < 1e-6);
        }
        let same = log_probs(tensor(&logits[..3]));
        let none = divergence::jensen_shannon(same.clone(), same, beta).sum();
        prop_assert!(host(&none)[0].abs() < 1e-12);
    }
}

#[test]
fn rows_without_tokens_are_zero_with_a_gradient() {
    let mut world = World::new(5);
    world.masks.iter_mut().for_each(|mask| mask.fill(false));
    let context = context(&world);
    for config in every() {
        let built = config.build().unwrap();
        for rows in [vec![], vec![0, 1]] {
            let objective = (built.as_ref(), &context);
            let counts = world.counts(1);
            let (total, gradient, _) = run(&world, &rows, &counts, objective, Some(f64::NAN), 0);
            assert_eq!(total, 0.0, "{config:?}");
            assert!(gradient.iter().flat_map(|(_, g)| g).all(|g| *g == 0.0), "{config:?}");
        }
    }
}

#[test]
fn extreme_inputs_stay_finite() {
    let device = Device::flex().autodiff();
    for dtype in [DType::F64, DType::F32] {
        for values in [[-1e4, 0.0], [0.0, -1e4], [0.0, 0.0], [-1e4, -1e4], [-1e-9, -0.5]] {
            let data = TensorData::new(values.to_vec(), [1, 2]);
            let mask = || Tensor::<2>::ones([1, 2], (&device, dtype));
            let leaf = || Tensor::<2>::from_data(data.clone(), (&device, dtype)).require_grad();
            let check = |name: &str, x: Tensor<2>, loss: Tensor<2>| {
                let value = host(&loss);
                let slopes = host(&x.grad(&loss.sum().backward()).unwrap());
                let finite = value.iter().chain(&slopes).all(|x| x.is_finite());
                assert!(finite, "{name} in {dtype:?} at {values:?}: {value:?}, {slopes:?}");
            };
            let x = leaf();
            check("dft", x.clone(), dft(x));
            for config in every() {
                let LikelihoodConfig::Ift(config) = config else { continue };
                let x = leaf();
                check(&format!("{config:?}"), x.clone(), ift(x, mask(), &config));
            }
        }
    }
}

#[test]
fn weights_of_intuitive_fine_tuning_by_hand() {
    let device = Device::flex();
    let dtype = DType::F64;
    let row = |values: [f64; 3]| {
        let data = TensorData::new(values.to_vec(), [1, 3]);
        Tensor::<2>::from_data(data, (&device, dtype))
    };
    // Losses per token 1, 2, 3; their discounted sums 1, 2.5, 4.25; with the least added 2, 3.5, 5.25.
    let config = IftConfig { gamma: 0.5, ..Default::default() };
    let found = host(&ift_weights(row([-3.0, -6.0, -9.0]), row([1.0; 3]), &config));
    let inverse = [2.0, 3.5, 5.25].map(|c: f64| c.recip());
    let sum: f64 = inverse.iter().sum();
    for (found, inverse) in found.iter().zip(inverse) {
        assert!((found - 3.0 * inverse / sum).abs() < 1e-12);
    }
    // From the other end 2.75, 3.5, 3; a hole counts for nothing and keeps its place.
    let config = IftConfig { side: Side::Future, ..config };
    let found = host(&ift_weights(row([-2.0, 7.0, -6.0]), row([1.0, 0.0, 1.0]), &config));
    let (first, last) = (1.0 + 0.25 * 3.0, 3.0);
    assert_eq!(found[1], 0.0);
    assert!((found[0] - 2.0 * first / (first + last)).abs() < 1e-12);
}

#[test]
fn masked_thought_keeps_its_rate_and_its_keys() -> Result<(), SftError> {
    let tokens = vec![7_u32; 20_000];
    let candidates: Vec<bool> = (0..tokens.len()).map(|at| at >= 100).collect();
    let replacement = Replacement::Mixed { id: 1_000, vocab: 50, random: 0.25 };
    let config = MaskedThoughtConfig { rate: 0.3, replacement };
    assert!(config.validate().is_empty());
    let edited = config.edit(&tokens, &candidates, 1, 0, 9)?;
    assert_eq!(edited, config.edit(&tokens, &candidates, 1, 0, 9)?);
    assert_ne!(edited, config.edit(&tokens, &candidates, 1, 1, 9)?);
    assert_eq!(edited[..100], tokens[..100]);
    let share = |keep: &dyn Fn(&u32) -> bool| {
        edited.iter().filter(|token| keep(token)).count() as f64 / 19_900.0
    };
    assert!((share(&|token| *token == 1_000) - 0.225).abs() < 0.01);
    // One draw in 50 of a random token is the token itself.
    assert!((share(&|token| *token < 50 && *token != 7) - 0.075 * 0.98).abs() < 0.01);
    // A position's coin doesn't depend on what stands behind it.
    let short = config.edit(&tokens[..500], &candidates[..500], 1, 0, 9)?;
    assert_eq!(short, edited[..500]);
    assert!(config.edit(&tokens, &candidates[1..], 1, 0, 9).is_err());
    let wrong = MaskedThoughtConfig { rate: 1.5, replacement: Replacement::Random { vocab: 0 } };
    assert_eq!(wrong.validate().len(), 2);
    assert_eq!(NeftuneConfig { alpha: 0.0 }.validate().len(), 1);
    Ok(())
}

#[test]
fn gains_survive_a_resume() -> Result<(), BoxError> {
    let mut weights = GainConfig::default().build()?;
    for (id, loss) in [(3, 1.0), (4, 1.0), (3, 0.2)] {
        weights.observe(id, loss);
    }
    let mut resumed = GainConfig::default().build()?;
    resumed.restore(&weights.state()?)?;
    for both in [&mut weights, &mut resumed] {
        both.observe(4, 0.99);
    }
    assert_eq!(weights.weights(&[3, 4, 5]), resumed.weights(&[3, 4, 5]));
    let found = weights.weights(&[3, 4]);
    let by_hand = [0.8, 0.01].map(|gain: f64| 1.0 + 1.0 / (1.0 + (gain / 0.1).exp()));
    assert!((found[0] / found[1] - by_hand[0] / by_hand[1]).abs() < 1e-12);
    Ok(())
}

#[test]
fn masks_that_learn_nothing_are_refused() {
    assert!(matches!(mask::completion(3, 3), Err(SftError::NothingToLearn)));
    let span = 5..9;
    assert!(mask::assistant(&[0..2, 2..2], std::slice::from_ref(&span)).is_err());
    assert!(mask::plan(&[1, 2, 3], 1, &[9]).is_err());
    assert!(mask::plan(&[1, 2, 3], 1, &[]).is_err());
    assert!(mask::plan(&[1, 2, 3], 7, &[3]).is_err());
}

#[test]
fn problems_are_named() {
    let refused = |text: &str, words: &str| {
        let config: LikelihoodConfig = serde_json::from_str(text).unwrap();
        let error = config.build().err().unwrap().to_string();
        assert!(error.contains(words), "{text}: {error}");
    };
    refused(r#"{"kind": "asft", "kl_weight": -1}"#, "kl_weight");
    refused(r#"{"kind": "ift", "gamma": 2}"#, "gamma");
    refused(r#"{"kind": "multi_target", "weights": []}"#, "at least one weight");
    refused(r#"{"kind": "distill", "nll_weight": -1}"#, "nll_weight");
    for unknown in [r#"{"kind": "mini_llm", "x": 1}"#, r#"{"kind": "nll", "x": 1}"#] {
        assert!(serde_json::from_str::<LikelihoodConfig>(unknown).is_err(), "{unknown}");
    }
    let objective = MultiTargetConfig::default().build().unwrap();
    assert!(objective.context([(2, 1)]).is_err());
}
