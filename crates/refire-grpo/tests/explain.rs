//! The closed forms that explain a loss are the loss that trains.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken test should fail")]

mod support;

use burn::tensor::DType;
use proptest::prelude::*;
use refire_grpo::PolicyLossConfig;
use refire_grpo::explain::{Explanation, Reason, RowFate, explain};
use refire_grpo::loss::{ClipOptions, LossKind, Surrogate};
use support::batch::{Batch, Rows, gap, prepared, whole};
use support::configs;

fn table(config: &PolicyLossConfig, batch: &Batch) -> Explanation {
    let (objective, context) = prepared(config, batch);
    let (stats, targets) = batch.tensors(DType::F64);
    explain(&objective, &stats, &targets, &context, &batch.counts(1)).unwrap()
}

fn coefficients(table: &Explanation, width: usize) -> Rows {
    let all: Vec<f64> = table.tokens.iter().map(|t| t.coefficient()).collect();
    all.chunks(width).map(<[f64]>::to_vec).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn coefficients_are_the_gradient(seed in any::<u64>(), rows in 1..7_usize, time in 1..8_usize) {
        let mut batch = Batch::random(seed, rows, time);
        batch.poison(f64::NAN);
        for batch in [batch.clone(), batch.on_policy()] {
            for (name, config) in configs::all() {
                let ours = coefficients(&table(&config, &batch), batch.width());
                let theirs = whole(&config, &batch).logprobs;
                prop_assert!(gap(&ours, &theirs) < 1e-10, "{}: {:?} {:?}", name, ours, theirs);
            }
        }
    }

    #[test]
    fn a_token_without_gradient_has_a_reason(seed in any::<u64>()) {
        let batch = Batch::random(seed, 5, 6);
        for (name, config) in configs::all() {
            for token in table(&config, &batch).tokens {
                let own = config.ratio == refire_grpo::loss::RatioLevel::Token;
                if own && token.policy == 0.0 && config.surrogate.scope() == refire_objective::Scope::Token {
                    prop_assert!(token.reason != Reason::Learns, "{}: {:?}", name, token);
                }
                if token.reason == Reason::Masked {
                    prop_assert_eq!(token.coefficient(), 0.0);
                }
            }
        }
    }
}

/// One row per reason, at a ratio and an advantage that lead to it.
fn reason(config: PolicyLossConfig, ratio: f64, advantage: f64) -> Reason {
    let mut batch = Batch::random(1, 1, 1).full();
    batch.logprobs = vec![vec![-1.0]];
    batch.old = Some(vec![vec![-1.0 - ratio.ln()]]);
    batch.behaviour = batch.logprobs.clone();
    batch.advantages = vec![vec![advantage]];
    batch.weights = vec![vec![1.0]];
    table(&config, &batch).tokens[0].reason
}

#[test]
fn every_reason_is_given() {
    let clip = |dual_clip, delta| PolicyLossConfig {
        surrogate: LossKind::PpoClip(ClipOptions { dual_clip, delta, ..ClipOptions::default() }),
        ..PolicyLossConfig::default()
    };
    let plain = || clip(None, None);
    assert_eq!(reason(plain(), 1.0, 1.0), Reason::Learns);
    assert_eq!(reason(plain(), 1.5, 1.0), Reason::ClippedHigh);
    assert_eq!(reason(plain(), 0.5, -1.0), Reason::ClippedLow);
    assert_eq!(reason(plain(), 1.5, -1.0), Reason::Learns);
    assert_eq!(reason(plain(), 1.0, 0.0), Reason::ZeroAdvantage);
    assert_eq!(reason(clip(Some(3.0), None), 4.0, -1.0), Reason::DualClipped);
    assert_eq!(reason(clip(None, Some(2.0)), 4.0, -1.0), Reason::DualClipped);
    let clamped = PolicyLossConfig {
        log_ratio_clamp: refire_grpo::loss::LogRatioClamp::both(1.0),
        ..plain()
    };
    assert_eq!(reason(clamped, 4.0, -1.0), Reason::Bounded);
    let region = refire_grpo::preset::prime_rl().loss;
    let region = PolicyLossConfig { ratio_base: Default::default(), ..region };
    assert_eq!(reason(region, 4.0, 1.0), Reason::TrustRegion);
    let off_policy = PolicyLossConfig { off_policy_threshold: Some(-1.0), ..plain() };
    assert_eq!(reason(off_policy, 1.0, -1.0), Reason::OffPolicy);

    let batch = Batch::random(1, 6, 8).full();
    let find = |name: &str| configs::all().into_iter().find(|(n, _)| *n == name).unwrap().1;
    let has = |name: &str, reason: Reason| {
        table(&find(name), &batch).tokens.iter().any(|t| t.reason == reason)
    };
    assert!(has("top_entropy", Reason::LowEntropy));
    assert!(has("clip_cov", Reason::Selected));
    assert!(has("correction", Reason::Rejected));
}

#[test]
fn hidden_rows_say_what_hid_them() {
    let mut batch = Batch::random(1, 3, 2).full();
    batch.mask[1] = vec![0.0; 2];
    batch.mask[2] = vec![0.0; 2];
    let table = table(&PolicyLossConfig::default(), &batch);
    assert!(table.tokens[2..].iter().all(|t| t.reason == Reason::Masked));
    let fate = |row| match row {
        1 => RowFate::Truncated,
        2 => RowFate::Filtered,
        _ => RowFate::Used,
    };
    let table = table.with_fates(fate);
    let reasons: Vec<Reason> = table.tokens.iter().map(|t| t.reason).collect();
    assert_eq!(
        reasons[2..],
        [Reason::Truncated, Reason::Truncated, Reason::Filtered, Reason::Filtered]
    );
}

#[test]
fn the_table_is_aligned() {
    let text = table(&PolicyLossConfig::default(), &Batch::random(4, 3, 5)).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 15 + 1);
    let column = lines[0].find("reason").unwrap();
    for line in &lines[1..16] {
        let (before, after) = line.split_at(column);
        assert!(before.ends_with(' ') && !after.starts_with(' '), "{line}");
    }
    assert!(lines[16].starts_with("15 tokens: "));
}
