//! Direct preference optimisation on pairs of a model's own right and wrong answers.
//!
//! `cargo run --release --example dpo_pairs`
//!
//! A small decoder reads worked Countdown solutions. Then, for some rounds, it answers training
//! problems several times, and right answers are chosen over wrong ones to the same problem; DPO,
//! or a relative of it, learns from these pairs. Accuracy is measured on problems that nothing was
//! trained on.
//!
//! Pairs alone make both answers of a pair less likely, the wrong one more so: by default the
//! likelihood of the right one stands beside the loss. `--sft 0` shows what happens without.

#[path = "common/puzzles.rs"]
mod puzzles;

use clap::Parser;
use puzzles::{Attempts, MICRO_BATCH, Puzzles, accuracy, learner};
use refire::core::{BoxError, Preference};
use refire::dpo::{Dpo, DpoConfig, PairLoss, WeightedLoss};
use refire::model::Decoder;
use refire::objective::Policy;
use refire::tasks::Shuffled;
use refire::train::{
    Interrupt, MetricsLog, PreferenceConfig, PreferenceTrainer, Progress, ReferenceCache, Schedule,
};
use std::path::{Path, PathBuf};

#[derive(Parser)]
#[command(about = "DPO on pairs of a model's own answers")]
struct Args {
    /// Seed of the weights, the data and every draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The loss, by its name in a configuration: sigmoid, ipo, hinge, apo_zero, ...
    #[arg(long, default_value = "sigmoid")]
    loss: String,
    /// Strength of the tie to where a round begins.
    #[arg(long, default_value_t = 0.2)]
    beta: f64,
    /// Weight of the likelihood of the chosen answers beside the loss.
    #[arg(long, default_value_t = 1.0)]
    sft: f64,
    /// Steps of the warm start.
    #[arg(long, default_value_t = 700)]
    sft_steps: u64,
    /// Rounds of answering and learning.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Steps of DPO in a round, 64 pairs each.
    #[arg(long, default_value_t = 150)]
    steps: u64,
    /// Peak learning rate.
    #[arg(long, default_value_t = 4e-4)]
    rate: f64,
    /// Where logs go.
    #[arg(long, default_value = "runs/dpo_pairs")]
    out: PathBuf,
}

impl Args {
    fn objective(&self) -> Result<Dpo, BoxError> {
        let loss: PairLoss = serde_json::from_value(self.loss.clone().into())?;
        let mut losses = vec![WeightedLoss { loss, weight: 1.0 }];
        if self.sft > 0.0 {
            losses.push(WeightedLoss { loss: PairLoss::Sft, weight: self.sft });
        }
        Ok(DpoConfig { beta: self.beta, losses, ..DpoConfig::default() }.build()?)
    }
}

fn main() -> Result<(), BoxError> {
    let args = Args::parse();
    let puzzles = Puzzles::new(args.seed)?;
    println!("Warm start: a small model reads worked solutions of arithmetic puzzles.");
    let mut decoder = puzzles.warm_start(args.sft_steps)?;
    let examine = |decoder: &Decoder| -> Result<f64, BoxError> {
        let weights = learner(decoder.clone()).handle();
        Ok(accuracy(&puzzles.attempts(&weights, &puzzles.held_out, 8)?))
    };
    let before = examine(&decoder)?;
    println!("It solves {:.1} % of the held-out problems.", 100.0 * before);
    for round in 1..=args.rounds {
        decoder = improve(&args, &puzzles, decoder, round)?;
        println!("It solves {:.1} % of the held-out problems.", 100.0 * examine(&decoder)?);
    }
    println!("held-out accuracy: before {before:.3} after {:.3}", examine(&decoder)?);
    Ok(())
}

/// One round: answers, pairs, and DPO on them.
fn improve(
    args: &Args,
    puzzles: &Puzzles,
    decoder: Decoder,
    round: usize,
) -> Result<Decoder, BoxError> {
    let learner = learner(decoder);
    let weights = learner.handle();
    let attempts = puzzles.attempts(&weights, &puzzles.train, 8)?;
    let pairs: Vec<Preference> = attempts.iter().flat_map(|a: &Attempts| a.pairs(4)).collect();
    println!(
        "\nRound {round}: {} problems, eight answers each, give {} pairs of right and wrong.",
        attempts.len(),
        pairs.len()
    );
    let out = args.out.join(format!("round-{round}"));
    let trainer = trainer(args, &out, learner, pairs)?;
    trainer.with_callback(Progress::new()).with_callback(Interrupt::install()?).run()?;
    Ok(weights.with(|decoder, _| decoder.clone())?)
}

fn trainer(
    args: &Args,
    out: &Path,
    learner: refire::model::Learner,
    pairs: Vec<Preference>,
) -> Result<PreferenceTrainer, BoxError> {
    std::fs::create_dir_all(out)?;
    let config = PreferenceConfig {
        steps: args.steps,
        preferences_per_step: 64,
        micro_batch: MICRO_BATCH,
        learning_rate: args.rate,
        schedule: Schedule { warmup_steps: 10, ..Schedule::default() },
        ..PreferenceConfig::default()
    };
    let reference = learner.freeze();
    let source = Box::new(Shuffled::new(pairs, args.seed)?);
    let objective = Box::new(args.objective()?);
    Ok(PreferenceTrainer::new(Box::new(learner), source, objective, config)?
        .with_reference(reference)
        .with_reference_cache(ReferenceCache::open(out)?)
        .with_callback(MetricsLog::new(out)))
}
