//! Step-wide choices, corrections, controllers, CHORD, and the critic's loss.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken test should fail")]

mod support;

use burn::tensor::DType;
use refire_core::{Columns, Group, Request, Score, Stateful, StepView};
use refire_grpo::compat::Peer;
use refire_grpo::control::{AdaptiveEntropyConfig, AdaptiveKlConfig};
use refire_grpo::correction::{Correction, Importance};
use refire_grpo::loss::{
    ClipCov, ClipOptions, ExpertLoss, KlCov, LossKind, MuSchedule, RatioBase, RatioLevel, Reinforce,
};
use refire_grpo::{Chord, ChordConfig, KlBase, PolicyLossConfig, PolicyStep, preset};
use refire_objective::{Aggregation, Counts, Objective, RowCount, StepContext};
use support::batch::{Batch, flat, gap, prepared, whole};
use support::step;

fn kl_controlled() -> PolicyLossConfig {
    let kl_controller = Some(AdaptiveKlConfig { target: 0.01, horizon: 20.0 });
    PolicyLossConfig { kl_beta: 0.1, kl_controller, ..PolicyLossConfig::default() }
}

fn entropy_controlled() -> PolicyLossConfig {
    let entropy_controller = Some(AdaptiveEntropyConfig { target: 5.0, ..Default::default() });
    PolicyLossConfig { entropy_coef: 0.01, entropy_controller, ..PolicyLossConfig::default() }
}

#[test]
fn controllers_move_with_the_step_and_survive_a_restart() {
    let batch = Batch::random(2, 4, 6).full();
    for config in [kl_controlled(), entropy_controlled()] {
        let mut objective = config.build().unwrap();
        let first = step::prepare(&mut objective, &batch);
        let saved = objective.state().unwrap();
        let second = step::prepare(&mut objective, &batch);
        let of = |context: &StepContext| {
            let step = context.get::<PolicyStep>().unwrap();
            (step.kl_beta, step.entropy_coef)
        };
        assert_ne!(of(&first), of(&second), "{config:?}");
        let mut fresh = config.build().unwrap();
        fresh.restore(&saved).unwrap();
        assert_eq!(of(&step::prepare(&mut fresh, &batch)), of(&second));
        let (a, b) = (
            batch.run(&objective, &first, &batch.counts(1)),
            batch.run(&objective, &second, &batch.counts(1)),
        );
        assert_ne!(a.total, b.total);
        assert!(PolicyLossConfig::default().build().unwrap().restore(&saved).is_err());
    }
    let plain = PolicyLossConfig::default().build().unwrap();
    assert!(plain.state().unwrap().is_empty());
}

#[test]
fn the_kl_coefficient_of_a_step_is_that_before_its_measurement() {
    let batch = Batch::random(2, 4, 6).full();
    let mut objective = kl_controlled().build().unwrap();
    let context = step::prepare(&mut objective, &batch);
    assert_eq!(context.get::<PolicyStep>().unwrap().kl_beta, Some(0.1));
    // The divergence is far above its target: the most it may grow by is a fifth of 4 / 20.
    let context = step::prepare(&mut objective, &batch);
    let beta = context.get::<PolicyStep>().unwrap().kl_beta.unwrap();
    assert!((beta - 0.1 * (1.0 + 0.2 * 4.0 / 20.0)).abs() < 1e-12, "{beta}");
}

#[test]
fn clip_cov_draws_by_step_and_seed() {
    let batch = Batch::random(3, 6, 8).full();
    let chosen = |seed, at| {
        let cov = ClipCov { fraction: 0.2, lower: -99.0, upper: 99.0, seed, ..ClipCov::default() };
        let config =
            PolicyLossConfig { surrogate: LossKind::ClipCov(cov), ..PolicyLossConfig::default() };
        let mut objective = config.build().unwrap();
        let context = step::prepare_at(&mut objective, &batch, at);
        context.get::<PolicyStep>().unwrap().selected.clone().unwrap()
    };
    let count = |rows: &[Vec<bool>]| rows.iter().flatten().filter(|c| **c).count();
    assert_eq!(count(&chosen(0, 0)), 9);
    assert_eq!(chosen(0, 0), chosen(0, 0));
    assert_ne!(chosen(0, 0), chosen(0, 1));
    assert_ne!(chosen(0, 0), chosen(1, 0));
    let cov = KlCov { fraction: 1e-9, coef: 1.0 };
    let config =
        PolicyLossConfig { surrogate: LossKind::KlCov(cov), ..PolicyLossConfig::default() };
    let (_, context) = prepared(&config, &batch);
    assert_eq!(count(context.get::<PolicyStep>().unwrap().selected.as_ref().unwrap()), 1);
}

#[test]
fn a_correction_is_a_column_of_weights() {
    let batch = Batch::random(4, 4, 5);
    let importance = Importance { max: Some(1.1), ..Importance::default() };
    let correction = Correction::importance(importance);
    let config = PolicyLossConfig { correction: Some(correction.clone()), ..Default::default() };
    let corrected = whole(&config, &batch);
    let weights =
        correction.weights(batch.old.as_ref().unwrap(), &batch.behaviour, &batch.flags()).unwrap();
    let mut by_hand = batch.clone();
    for (row, weights) in by_hand.weights.iter_mut().zip(&weights) {
        row.iter_mut().zip(weights).for_each(|(w, c)| *w *= c);
    }
    let plain = whole(&PolicyLossConfig::default(), &by_hand);
    // The step's columns have 32 bits.
    assert!(gap(&corrected.logprobs, &plain.logprobs) < 1e-5);
    assert!(corrected.metrics.get("rollout_corr/chi2_seq").is_some());
}

/// Rows of the odd ids are the expert's.
fn chord(config: ChordConfig, batch: &Batch) -> (Chord, StepContext) {
    let expert = |prompt: &refire_core::Prompt, _: &_| prompt.id % 2 == 1;
    let mut objective = Chord::new(config, expert).unwrap();
    let groups: Vec<Group> = (0..batch.ids.len())
        .map(|row| {
            let mut request = Request::default();
            request.prompt.id = row as u64;
            Group { request, completions: vec![step::completion(batch.width())] }
        })
        .collect();
    let scores = vec![Score::value(0.0); groups.len()];
    let mask = batch.flags();
    let columns = Columns::default();
    let view = StepView {
        step: 1,
        groups: &groups,
        scores: &scores,
        mask: &mask,
        columns: &columns,
        advantages: None,
    };
    let context = objective.prepare(&view).unwrap();
    (objective, context)
}

#[test]
fn chord_is_the_sum_of_its_parts() {
    let batch = Batch::random(5, 6, 5).full();
    let mu = MuSchedule { warmup: 4, decay: 8, peak: 0.8, valley: 0.1 };
    for expert in [
        ExpertLoss::Nll,
        ExpertLoss::Phi,
        ExpertLoss::Importance,
        ExpertLoss::PhiCutoff { cutoff: 0.3 },
    ] {
        let config = ChordConfig { expert, mu, ..ChordConfig::default() };
        let (objective, context) = chord(config.clone(), &batch);
        let mut total = 0.0;
        let mut gradient = Vec::new();
        for part in [[0, 1, 2], [3, 4, 5]] {
            let (stats, targets) = batch.rows(&part).tensors(DType::F64);
            let loss = objective.loss(&stats, &targets, &context, &batch.counts(2)).unwrap();
            gradient.extend(flat(stats.logprobs.grad(&loss.total.backward()).unwrap()));
            total += loss.total.into_scalar::<f64>();
        }
        // By hand, from each kind of rows alone. Mu at step 1 is 0.2.
        let own = whole(&config.policy, &batch.rows(&[0, 2, 4]));
        let (stats, targets) = batch.rows(&[1, 3, 5]).tensors(DType::F64);
        let per_token = expert.per_token(stats.logprobs.clone());
        let loss = Aggregation::TokenMean.reduce(per_token, targets.mask, None);
        let theirs = flat(stats.logprobs.grad(&loss.backward()).unwrap());
        let expected = 0.8 * own.total + 0.2 * loss.into_scalar::<f64>();
        assert!((total - expected).abs() < 1e-12, "{expert:?}");
        for row in 0..3 {
            let scaled =
                |rows: &Vec<Vec<f64>>, by: f64| vec![rows[row].iter().map(|g| g * by).collect()];
            assert!(gap(&vec![gradient[2 * row].clone()], &scaled(&own.logprobs, 0.8)) < 1e-12);
            assert!(gap(&vec![gradient[2 * row + 1].clone()], &scaled(&theirs, 0.2)) < 1e-12);
        }
    }
}

#[test]
fn conflicting_settings_say_what_to_change() {
    let base = PolicyLossConfig::default;
    let clip = || LossKind::PpoClip(ClipOptions::default());
    let cases: Vec<(PolicyLossConfig, &str)> = vec![
        (PolicyLossConfig { kl_bias_correction: true, ..base() }, "set `kl_beta`"),
        (PolicyLossConfig { kl_beta: 0.0, ..kl_controlled() }, "where it should start"),
        (PolicyLossConfig { kl_base: KlBase::Ratio, ..kl_controlled() }, "`kl_base` to reference"),
        (
            PolicyLossConfig {
                surrogate: LossKind::KlCov(KlCov::default()),
                ratio: RatioLevel::Sequence,
                ..base()
            },
            "set `ratio` to token",
        ),
        (
            PolicyLossConfig {
                surrogate: clip(),
                ratio_base: RatioBase::Behaviour,
                correction: Some(Correction::importance(Importance::default())),
                ..base()
            },
            "twice",
        ),
        (
            PolicyLossConfig { aggregation: Aggregation::TokenMean, ..preset::kimi().loss },
            "seq_mean_token_mean",
        ),
        (
            PolicyLossConfig { correction: Some(Correction::default()), ..base() },
            "leave the correction out",
        ),
    ];
    for (config, advice) in cases {
        let error = config.build().unwrap_err().to_string();
        assert!(error.contains(advice), "{error}");
    }
    let mut recipe = preset::ppo();
    recipe.value = None;
    assert!(recipe.validate().iter().any(|p| p.to_string().contains("set `value`")));
}

#[test]
fn presets_keep_their_meaning_with_a_peers_answers() {
    for (name, recipe) in preset::all() {
        for peer in [Peer::Trl, Peer::Verl, Peer::OpenRlhf, Peer::PrimeRl] {
            let moved = peer.apply(recipe.clone());
            // To the sampler a correction would be made twice, which validate says.
            assert!(moved.validate().is_empty(), "{name} as {peer:?}: {:?}", moved.validate());
        }
    }
    let verl = Peer::Verl.apply(preset::gspo()).loss;
    assert_eq!(verl.ratio, RatioLevel::SequenceToken);
    assert_eq!((verl.log_ratio_clamp.below, verl.log_ratio_clamp.above), (None, Some(10.0)));
    let rows = RowCount::NonEmpty;
    assert_eq!(verl.aggregation, Aggregation::SeqMeanTokenMean { rows, length_eps: 1e-8 });
    let LossKind::PpoClip(clip) = verl.surrogate else { panic!("it is a clip") };
    assert_eq!(clip.dual_clip, Some(3.0));
}

#[test]
fn plain_reinforce_needs_nothing() {
    let config = PolicyLossConfig {
        surrogate: LossKind::Reinforce(Reinforce {}),
        ..PolicyLossConfig::default()
    };
    assert_eq!(config.needs(), refire_core::Needs::NONE);
    let batch = Batch::random(6, 3, 4);
    let counts: Counts = batch.counts(1);
    let objective = config.build().unwrap();
    let without = batch.run(&objective, &StepContext::empty(), &counts);
    assert!(without.logprobs.concat().iter().any(|g| *g != 0.0));
}
