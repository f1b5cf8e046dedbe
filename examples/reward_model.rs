//! A reward model learns to tell right answers from wrong ones, then picks among eight.
//!
//! `cargo run --release --example reward_model`
//!
//! A small decoder reads worked Countdown solutions and answers training problems several times.
//! From pairs of a right and a wrong answer the same network, with a score in the place of its
//! logits, learns which is which (Bradley-Terry). On held-out problems the best-scored of eight
//! answers is compared with one taken at random.

#[path = "common/puzzles.rs"]
mod puzzles;

use clap::Parser;
use puzzles::{Attempts, MICRO_BATCH, Puzzles, accuracy, learner};
use refire::core::{BoxError, Preference};
use refire::dpo::reward::RewardLossConfig;
use refire::model::{LearnerConfig, ScoreModel, ValueLearner};
use refire::objective::RewardModel;
use refire::tasks::Shuffled;
use refire::train::{Interrupt, MetricsLog, PreferenceConfig, Progress, RewardTrainer, Schedule};
use std::path::PathBuf;

#[derive(Parser)]
#[command(about = "A reward model on pairs of a model's own answers")]
struct Args {
    /// Seed of the weights, the data and every draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Steps of the warm start.
    #[arg(long, default_value_t = 700)]
    sft_steps: u64,
    /// Steps of the reward model, 64 pairs each.
    #[arg(long, default_value_t = 150)]
    steps: u64,
    /// Where logs go.
    #[arg(long, default_value = "runs/reward_model")]
    out: PathBuf,
}

fn main() -> Result<(), BoxError> {
    let args = Args::parse();
    let puzzles = Puzzles::new(args.seed)?;
    println!("Warm start: a small model reads worked solutions of arithmetic puzzles.");
    let decoder = puzzles.warm_start(args.sft_steps)?;
    let weights = learner(decoder.clone()).handle();

    let pairs = |attempts: &[Attempts]| -> Vec<Preference> {
        attempts.iter().flat_map(|attempts| attempts.pairs(4)).collect()
    };
    let train = pairs(&puzzles.attempts(&weights, &puzzles.train, 8)?);
    let held_out = puzzles.attempts(&weights, &puzzles.held_out, 8)?;
    println!("{} pairs of a right and a wrong answer to learn from.", train.len());

    std::fs::create_dir_all(&args.out)?;
    let model = ValueLearner::new(
        decoder.with_score_head(args.seed),
        LearnerConfig { shards: 2, ..LearnerConfig::default() },
    )?;
    let scores = model.handle();
    let config = PreferenceConfig {
        steps: args.steps,
        preferences_per_step: 64,
        micro_batch: MICRO_BATCH,
        learning_rate: 1e-3,
        schedule: Schedule { warmup_steps: 10, ..Schedule::default() },
        ..PreferenceConfig::default()
    };
    let objective = Box::new(RewardLossConfig::default().build()?);
    let source = Box::new(Shuffled::new(train, args.seed)?);
    RewardTrainer::new(Box::new(model), source, objective, config)?
        .with_callback(MetricsLog::new(&args.out))
        .with_callback(Progress::new())
        .with_callback(Interrupt::install()?)
        .run()?;

    let judge = scores.with(|decoder, _| ScoreModel::new(decoder))??;
    println!(
        "held-out pairs in order {:.3}; accuracy of one answer {:.3}, of the best of eight {:.3}",
        in_order(&judge, &pairs(&held_out))?,
        accuracy(&held_out),
        best_of(&judge, &held_out)?
    );
    Ok(())
}

fn scores(judge: &ScoreModel, rows: &[Vec<u32>]) -> Result<Vec<f64>, BoxError> {
    judge.scores(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Share of pairs whose right answer has the higher score.
fn in_order(judge: &ScoreModel, pairs: &[Preference]) -> Result<f64, BoxError> {
    let side = |index: usize| -> Vec<Vec<u32>> {
        pairs.iter().map(|p| [&p.prompt[..], &p.completions[index][..]].concat()).collect()
    };
    let (chosen, rejected) = (scores(judge, &side(0))?, scores(judge, &side(1))?);
    let won = chosen.iter().zip(&rejected).filter(|(w, l)| w > l).count();
    Ok(won as f64 / pairs.len().max(1) as f64)
}

/// Share of problems whose best-scored answer is right.
fn best_of(judge: &ScoreModel, attempts: &[Attempts]) -> Result<f64, BoxError> {
    let mut right = 0;
    for attempt in attempts {
        let rows =
            attempt.completions.iter().map(|c| [&attempt.prompt[..], &c.tokens[..]].concat());
        let scores = scores(judge, &rows.collect::<Vec<_>>())?;
        let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        right += usize::from(best.is_some_and(|(index, _)| attempt.right[index]));
    }
    Ok(right as f64 / attempts.len().max(1) as f64)
}
