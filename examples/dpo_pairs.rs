//! Direct preference optimisation on pairs of a model's own right and wrong answers.
//!
//! `cargo run --release --example dpo_pairs`
//!
//! A small decoder reads worked Countdown solutions, then answers training problems several times.
//! Right answers are chosen over wrong ones to the same problem; DPO, or a relative of it, learns
//! from these pairs alone. Accuracy is measured on problems that nothing was trained on.

#[path = "common/puzzles.rs"]
mod puzzles;

use clap::Parser;
use puzzles::{Attempts, MICRO_BATCH, Puzzles, accuracy, learner};
use refire::core::{BoxError, Preference};
use refire::dpo::{DpoConfig, PairLoss, WeightedLoss};
use refire::objective::Policy;
use refire::tasks::Shuffled;
use refire::train::{
    Interrupt, MetricsLog, PreferenceConfig, PreferenceTrainer, Progress, ReferenceCache, Schedule,
};
use std::path::PathBuf;

#[derive(Parser)]
#[command(about = "DPO on pairs of a model's own answers")]
struct Args {
    /// Seed of the weights, the data and every draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The loss, by its name in a configuration: sigmoid, ipo, hinge, apo_zero, ...
    #[arg(long, default_value = "sigmoid")]
    loss: String,
    /// Strength of the tie to the warm start.
    #[arg(long, default_value_t = 0.1)]
    beta: f64,
    /// Steps of the warm start.
    #[arg(long, default_value_t = 700)]
    sft_steps: u64,
    /// Steps of DPO, 64 pairs each.
    #[arg(long, default_value_t = 100)]
    steps: u64,
    /// Peak learning rate.
    #[arg(long, default_value_t = 5e-5)]
    rate: f64,
    /// Weight of the likelihood of the chosen answers beside it.
    #[arg(long, default_value_t = 0.0)]
    sft: f64,
    /// Where logs go.
    #[arg(long, default_value = "runs/dpo_pairs")]
    out: PathBuf,
}

fn main() -> Result<(), BoxError> {
    let args = Args::parse();
    let loss: PairLoss = serde_json::from_value(args.loss.clone().into())?;
    let mut losses = vec![WeightedLoss { loss, weight: 1.0 }];
    if args.sft > 0.0 {
        losses.push(WeightedLoss { loss: PairLoss::Sft, weight: args.sft });
    }
    let objective = DpoConfig { beta: args.beta, losses, ..DpoConfig::default() }.build()?;
    let puzzles = Puzzles::new(args.seed)?;

    println!("Warm start: a small model reads worked solutions of arithmetic puzzles.");
    let learner = learner(puzzles.warm_start(args.sft_steps)?);
    let weights = learner.handle();
    let before = accuracy(&puzzles.attempts(&weights, &puzzles.held_out, 8)?);

    let attempts = puzzles.attempts(&weights, &puzzles.train, 8)?;
    let pairs: Vec<Preference> = attempts.iter().flat_map(|a: &Attempts| a.pairs(4)).collect();
    println!(
        "It answers {} problems eight times each: {} pairs of a right and a wrong answer.",
        attempts.len(),
        pairs.len()
    );

    println!("DPO: the right answer of each pair becomes more likely than the wrong one.");
    std::fs::create_dir_all(&args.out)?;
    let (count, reference) = (pairs.len(), learner.freeze());
    let config = PreferenceConfig {
        steps: args.steps,
        preferences_per_step: 64,
        micro_batch: MICRO_BATCH,
        learning_rate: args.rate,
        schedule: Schedule { warmup_steps: 10, ..Schedule::default() },
        ..PreferenceConfig::default()
    };
    let source = Box::new(Shuffled::new(pairs, args.seed)?);
    PreferenceTrainer::new(Box::new(learner), source, Box::new(objective), config)?
        .with_reference(reference)
        .with_reference_cache(ReferenceCache::open(&args.out)?)
        .with_callback(MetricsLog::new(&args.out))
        .with_callback(Progress::new())
        .with_callback(Interrupt::install()?)
        .run()?;

    let after = accuracy(&puzzles.attempts(&weights, &puzzles.held_out, 8)?);
    println!("held-out accuracy: before {before:.3} after {after:.3} pairs {count}");
    Ok(())
}
