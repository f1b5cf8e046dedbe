//! What must hold of every loss whatever the numbers are.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken test should fail")]

mod support;

use burn::tensor::DType;
use proptest::prelude::*;
use refire_grpo::PolicyLossConfig;
use refire_objective::{Aggregation, Objective, RowCount, Scope, StepContext};
use support::batch::{Batch, flat, gap, prepared, whole};
use support::configs;

/// A random batch of a random shape.
fn batches() -> impl Strategy<Value = Batch> {
    (any::<u64>(), 1..8_usize, 1..9_usize)
        .prop_map(|(seed, rows, time)| Batch::random(seed, rows, time))
}

fn few() -> ProptestConfig {
    ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() }
}

/// Rows that must stay together.
fn units(batch: &Batch, scope: Scope) -> Vec<Vec<usize>> {
    let rows = 0..batch.ids.len();
    match scope {
        Scope::Group => {
            let group = |id: usize| rows.clone().filter(|r| batch.groups[*r] == id).collect();
            let last = batch.groups.last().copied().unwrap_or(0);
            (0..=last).map(group).collect()
        }
        _ => rows.map(|row| vec![row]).collect(),
    }
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn splitting_a_step_changes_nothing(batch in batches(), size in 1..4_usize) {
        for (name, config) in configs::all() {
            let expected = whole(&config, &batch);
            let (objective, context) = prepared(&config, &batch);
            let units = units(&batch, objective.scope());
            let parts: Vec<Vec<usize>> = units.chunks(size).map(<[_]>::concat).collect();
            let counts = batch.counts(parts.len());
            let (mut total, mut gradient) = (0.0, Vec::new());
            let mut metrics = refire_core::Metrics::default();
            for part in &parts {
                let outcome = batch.rows(part).run(&objective, &context, &counts);
                total += outcome.total;
                gradient.extend(outcome.gradient);
                metrics.extend(outcome.metrics);
            }
            prop_assert!((total - expected.total).abs() < 1e-11, "{name}");
            prop_assert!(gap(&gradient, &expected.gradient) < 1e-11, "{name}");
            for (metric, value) in expected.metrics.iter() {
                let gap = (metrics.get(metric).unwrap() - value).abs();
                prop_assert!(gap < 1e-9 * value.abs().max(1.0), "{name}: {metric}");
            }
        }
    }

    #[test]
    fn padding_changes_nothing(batch in batches(), pads in 1..4_usize) {
        let mut padded = batch.clone();
        for column in padded.columns() {
            column.iter_mut().for_each(|row| row.extend(vec![0.0; pads]));
        }
        for (name, config) in configs::all() {
            let (short, long) = (whole(&config, &batch), whole(&config, &padded));
            prop_assert!((short.total - long.total).abs() < 1e-11, "{name}");
            let cut: Vec<Vec<f64>> =
                long.logprobs.iter().map(|row| row[..batch.width()].to_vec()).collect();
            prop_assert!(gap(&short.logprobs, &cut) < 1e-11, "{name}");
        }
    }

    #[test]
    fn the_order_of_rows_changes_nothing(batch in batches(), turn in 0..7_usize) {
        let mut order: Vec<usize> = (0..batch.ids.len()).collect();
        let turn = turn % order.len();
        order.rotate_left(turn);
        for (name, config) in configs::all() {
            let (objective, context) = prepared(&config, &batch);
            let counts = batch.counts(1);
            let straight = batch.run(&objective, &context, &counts);
            let turned = batch.rows(&order).run(&objective, &context, &counts);
            prop_assert!((straight.total - turned.total).abs() < 1e-11, "{name}");
            let moved = order.iter().map(|row| straight.gradient[*row].clone()).collect();
            prop_assert!(gap(&turned.gradient, &moved) < 1e-11, "{name}");
        }
    }

    #[test]
    fn masked_positions_have_no_influence(batch in batches()) {
        for poison in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e6] {
            let mut dirty = batch.clone();
            dirty.poison(poison);
            for (name, config) in configs::all() {
                let (clean, dirty) = (whole(&config, &batch), whole(&config, &dirty));
                prop_assert_eq!(clean.total, dirty.total, "{} of {}", poison, name);
                prop_assert_eq!(clean.gradient, dirty.gradient, "{} of {}", poison, name);
                prop_assert_eq!(clean.metrics, dirty.metrics, "{} of {}", poison, name);
            }
        }
    }

    #[test]
    fn coefficients_known_beforehand_are_the_gradient(mut batch in batches()) {
        batch.old = None;
        batch.poison(f64::NAN);
        let aggregations = [
            Aggregation::TokenMean,
            Aggregation::seq_mean_token_mean(RowCount::All),
            Aggregation::SumNorm { length: 9.0, per_row: true },
        ];
        for (name, config) in configs::kinds() {
            for aggregation in aggregations {
                let config = PolicyLossConfig { aggregation, ..config.clone() };
                let Ok(objective) = config.build() else { continue };
                let (_, targets) = batch.tensors(DType::F64);
                let known = objective.known_coefficients(&targets, &batch.counts(1));
                let Some(known) = known else { continue };
                prop_assert!(gap(&flat(known), &whole(&config, &batch).logprobs) < 1e-12, "{name}");
            }
        }
    }
}

#[test]
fn a_batch_without_tokens_is_zero_with_a_gradient() {
    let mut batch = Batch::random(3, 5, 7);
    batch.mask.iter_mut().for_each(|row| row.fill(0.0));
    batch.poison(f64::NAN);
    for (name, config) in configs::all() {
        let outcome = whole(&config, &batch);
        assert_eq!(outcome.total, 0.0, "{name}");
        assert!(outcome.gradient.concat().iter().all(|g| *g == 0.0), "{name}");
    }
}

#[test]
fn a_batch_without_rows_is_zero() {
    let batch = Batch::random(3, 5, 7);
    for (name, config) in configs::all() {
        let (objective, context) = prepared(&config, &batch);
        let outcome = batch.rows(&[]).run(&objective, &context, &batch.counts(1));
        assert_eq!((outcome.total, outcome.gradient.len()), (0.0, 0), "{name}");
    }
}

#[test]
fn micro_batches_of_local_means_average() {
    let config =
        PolicyLossConfig { aggregation: Aggregation::TokenMeanLocal, ..Default::default() };
    let batch = Batch::random(7, 4, 6).full();
    let (objective, context) = prepared(&config, &batch);
    let parts = [batch.rows(&[0, 1]), batch.rows(&[2, 3])];
    let alone = parts.clone().map(|part| whole(&config, &part.rows(&[0, 1])).total);
    let counts = batch.counts(2);
    let shares = parts.map(|part| part.run(&objective, &context, &counts).total);
    let gap = shares.iter().sum::<f64>() - alone.iter().sum::<f64>() / 2.0;
    assert!(gap.abs() < 1e-12);
}

#[test]
fn coefficients_are_not_known_where_they_depend_on_the_statistics() {
    let off_policy = Batch::random(5, 5, 7);
    let on_policy = Batch { old: None, ..off_policy.clone() };
    let known = |batch: &Batch, config: &PolicyLossConfig| {
        let (_, targets) = batch.tensors(DType::F64);
        config.build().unwrap().known_coefficients(&targets, &batch.counts(1)).is_some()
    };
    let plain = PolicyLossConfig::default();
    assert!(known(&on_policy, &plain) && !known(&off_policy, &plain));
    let own = ["gspo_token", "clamped", "padded_lengths"];
    for (name, config) in configs::settings() {
        assert_eq!(known(&on_policy, &config), own.contains(&name), "{name}");
    }
}

#[test]
fn in_32_bits_splitting_changes_little() {
    let batch = Batch::random(7, 5, 7);
    let config = PolicyLossConfig { kl_beta: 0.04, ..Default::default() };
    let objective = config.build().unwrap();
    let gradient = |part: &Batch| {
        let (stats, targets) = part.tensors(DType::F32);
        let context = StepContext::empty();
        let loss = objective.loss(&stats, &targets, &context, &batch.counts(1)).unwrap();
        flat(stats.logprobs.grad(&loss.total.backward()).unwrap()).concat()
    };
    let parts = (0..5).flat_map(|row| gradient(&batch.rows(&[row])));
    for (ours, whole) in parts.zip(gradient(&batch)) {
        assert!((ours - whole).abs() < 1e-5);
    }
}

#[test]
fn what_is_missing_or_misshapen_is_named() {
    let batch = Batch::random(7, 5, 7);
    let counts = batch.counts(1);
    let all = configs::all();
    let config = |name: &str| all.iter().find(|(n, _)| *n == name).unwrap().1.clone();
    let error =
        |name: &str,
         change: fn(&mut refire_objective::TokenStats, &mut refire_objective::Targets)| {
            let (objective, context) = prepared(&config(name), &batch);
            let (mut stats, mut targets) = batch.tensors(DType::F64);
            change(&mut stats, &mut targets);
            objective.loss(&stats, &targets, &context, &counts).unwrap_err().to_string()
        };
    assert!(error("ppo_clip", |_, t| t.advantages = None).contains("advantages"));
    assert!(error("k3", |_, t| t.ref_logprobs = None).contains("ref_logprobs"));
    assert!(error("distillation", |_, t| t.ref_logprobs = None).contains("ref_logprobs"));
    assert!(error("copg", |_, t| t.ref_logprobs = None).contains("ref_logprobs"));
    assert!(error("prime_rl", |_, t| t.behaviour_logprobs = None).contains("behaviour_logprobs"));
    assert!(error("sum_norm_entropy", |s, _| s.entropy = None).contains("entropy"));
    assert!(
        error("ppo_clip", |_, t| {
            t.old_logprobs = t.old_logprobs.take().map(|old| old.narrow(1, 0, 2));
        })
        .contains("old_logprobs")
    );
    for name in ["top_entropy", "clip_cov", "kl_cov", "correction"] {
        assert!(error(name, |_, t| t.row_ids[0] = 99).contains("99"), "{name}");
        let (objective, _) = prepared(&config(name), &batch);
        let (stats, targets) = batch.tensors(DType::F64);
        assert!(objective.loss(&stats, &targets, &StepContext::empty(), &counts).is_err());
    }
}
