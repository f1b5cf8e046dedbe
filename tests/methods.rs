//! Methods that need more than completions and rewards learn a toy task: end early.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use refire::core::{Preference, PromptSource};
use refire::dpo::PreferenceConfig;
use refire::grpo::preset;
use refire::objective::Policy;
use refire::tasks::Shuffled;
use refire::tasks::countdown::Prompts;
use refire::train::{CriticConfig, MetricsLog, PreferenceTrainer, RlConfig, RlTrainer};
use std::path::Path;

const STEPS: u64 = 40;

fn config() -> RlConfig {
    RlConfig {
        prompts_per_step: 8,
        epochs: 1,
        minibatches: 2,
        learning_rate: 3e-3,
        critic: CriticConfig { learning_rate: 3e-3, warmup_steps: 2 },
        ..common::rl_config(STEPS)
    }
}

fn source() -> Box<dyn PromptSource> {
    Box::new(Prompts::new(common::problems(), common::codec(), 3).unwrap())
}

fn column(dir: &Path, name: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(dir.join("metrics.jsonl")).unwrap();
    let value = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        row[name].as_f64()
    };
    text.lines().filter_map(value).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Runs and returns the gain in reward from the first to the last ten steps.
fn gain(dir: &Path, mut trainer: RlTrainer) -> f64 {
    trainer.run().unwrap();
    let rewards = column(dir, "reward");
    assert_eq!(rewards.len() as u64, STEPS);
    mean(&rewards[rewards.len() - 10..]) - mean(&rewards[..10])
}

#[test]
fn ppo_with_a_critic_learns_and_so_does_its_critic() {
    let dir = tempfile::tempdir().unwrap();
    let gain = gain(dir.path(), common::ppo(dir.path(), config()));
    assert!(gain > 0.2, "reward rose by {gain}");
    let losses = column(dir.path(), "value_loss");
    assert_eq!(losses.len() as u64, STEPS, "the critic learns from the first step");
    assert!(mean(&losses[30..]) < 0.7 * mean(&losses[..5]), "{losses:?}");
    // The policy waits for its critic.
    assert_eq!(column(dir.path(), "grad_norm").len() as u64, STEPS - 2);
}

#[test]
fn remax_learns_against_its_greedy_sibling() {
    let dir = tempfile::tempdir().unwrap();
    let reward = Box::new(common::shaped());
    let recipe = preset::remax();
    let trainer = common::rl_with(dir.path(), config(), reward, source(), recipe);
    let gain = gain(dir.path(), trainer);
    assert!(gain > 0.2, "reward rose by {gain}");
}

#[test]
fn every_preset_trains() {
    for (name, recipe) in preset::all() {
        for updates in [1, 2] {
            let dir = tempfile::tempdir().unwrap();
            let config = RlConfig { steps: 2, epochs: updates, minibatches: 1, ..config() };
            let reward = Box::new(common::shaped());
            let config = RlConfig { critic: CriticConfig::default(), ..config };
            let mut trainer = common::rl_with(dir.path(), config, reward, source(), recipe.clone());
            trainer.run().unwrap_or_else(|error| panic!("{name}: {error}"));
            let norms = column(dir.path(), "grad_norm");
            assert!(norms.iter().all(|norm| norm.is_finite()), "{name}: {norms:?}");
        }
    }
}

/// Labels and rewards as each objective wants them; KTO gets mismatched rows from the trainer.
#[test]
fn every_preference_objective_trains() {
    let pairs = common::preferences;
    let single = || {
        let of = |(index, pair): (usize, Preference)| {
            let completion = pair.completions[index % 2].clone();
            Preference::unpaired(pair.id, pair.prompt, completion, index % 2 == 0)
        };
        pairs().into_iter().enumerate().map(of).collect::<Vec<_>>()
    };
    for kind in ["dpo", "cpo", "orpo", "kto", "bco", "modpo", "ranking", "copg"] {
        let text = format!(r#"{{"kind": "{kind}"}}"#);
        let objective = serde_json::from_str::<PreferenceConfig>(&text).unwrap().build().unwrap();
        let rows = if matches!(kind, "kto" | "bco") { single() } else { pairs() };
        let source = Box::new(Shuffled::new(rows, 3).unwrap());
        let learner = common::learner(Some(1.0));
        let reference = learner.freeze();
        let dir = tempfile::tempdir().unwrap();
        let config = common::preference_config(3);
        PreferenceTrainer::new(Box::new(learner), source, objective, config)
            .unwrap()
            .with_reference(reference)
            .with_callback(MetricsLog::new(dir.path()))
            .run()
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        let norms = column(dir.path(), "grad_norm");
        assert!(norms.len() == 3 && norms.iter().all(|n| n.is_finite() && *n > 0.0), "{kind}");
    }
}

#[test]
fn a_missing_critic_is_named_before_anything_is_generated() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = refire::grpo::Recipe { value: None, ..preset::ppo() };
    let reward = Box::new(common::shaped());
    let mut trainer = common::rl_with(dir.path(), config(), reward, source(), recipe);
    let error = trainer.run().unwrap_err().to_string();
    assert!(error.contains("with_critic"), "{error}");
}
