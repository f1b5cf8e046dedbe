//! A small language model learns to solve arithmetic puzzles, from nothing, in about two minutes.
//!
//! Countdown: combine three numbers, each once, into a target. A decoder of about 200 thousand
//! parameters first reads worked solutions (supervised warm-up), then practises on its own with a
//! reward of 1 for a right solution and 0 otherwise (DAPO). Accuracy is measured on problems that
//! neither phase has seen in any order of their numbers.
//!
//! `cargo run --release --example quickstart -- --help`

use clap::Parser;
use refire::burn::module::Module;
use refire::burn::tensor::Device;
use refire::core::{BoxError, Finish, Flow, Request, RolloutEngine, SamplingParams, WeightUpdate};
use refire::grpo::preset;
use refire::model::{AdamWConfig, Decoder, Learner, LearnerConfig, TinyLlama, WeightHandle};
use refire::sample::{Detokenize, EngineConfig, LocalEngine};
use refire::sft::loss::Nll;
use refire::tasks::Tally;
use refire::tasks::countdown::{
    Codec, Config, CountdownReward, Problem, Prompts, WarmUp, split, verify,
};
use refire::train::{
    CompletionsLog, CompletionsLogConfig, Decay, Interrupt, MetricsLog, MicroBatch, Progress,
    Refill, RlConfig, RlTrainer, RolloutStage, Schedule, SftConfig, SftTrainer,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Held-out problems.
const HELD_OUT: usize = 450;
/// Samples per held-out problem, at temperature 1.
const SAMPLES: usize = 16;

#[derive(Parser)]
struct Args {
    /// Seed of the weights, the data and every draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Scales the number of steps of both phases.
    #[arg(long, default_value_t = 1.0)]
    budget: f64,
    /// Run the supervised phase only, for as many steps as given.
    #[arg(long)]
    sft_only: Option<u64>,
    /// Where logs and the report go.
    #[arg(long, default_value = "runs/quickstart")]
    out: PathBuf,
    /// Write every held-out problem with its completions to this file.
    #[arg(long)]
    dump: Option<PathBuf>,
    #[arg(long, default_value_t = 600)]
    sft_steps: u64,
    #[arg(long, default_value_t = 2e-3)]
    sft_rate: f64,
    #[arg(long, default_value_t = 128)]
    sft_rows: usize,
    #[arg(long, default_value_t = 150)]
    rl_steps: u64,
    #[arg(long, default_value_t = 5e-4)]
    rl_rate: f64,
    #[arg(long, default_value_t = 32)]
    prompts: usize,
    #[arg(long, default_value_t = 16)]
    group: usize,
    #[arg(long, default_value_t = 96)]
    hidden: usize,
    #[arg(long, default_value_t = 256)]
    mlp: usize,
    #[arg(long, default_value_t = 2)]
    layers: usize,
    #[arg(long, default_value_t = 10)]
    max_number: u32,
    #[arg(long, default_value_t = 99)]
    max_value: u32,
}

/// The task's vocabulary, as the engine needs it.
struct Text(Codec, [u32; 1]);

impl Detokenize for Text {
    fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
        Ok(self.0.text(tokens))
    }
    fn end_tokens(&self) -> &[u32] {
        &self.1
    }
}

fn main() -> Result<(), BoxError> {
    let clock = Instant::now();
    let args = Args::parse();
    let device = Device::flex();
    let config =
        Config { max_number: args.max_number, max_value: args.max_value, ..Config::default() };
    let codec = Codec::new(config.max_value);
    let (train, held_out) = split(config.problems()?, HELD_OUT, args.seed)?;
    let shape = TinyLlama {
        vocab_size: codec.vocab_size(),
        hidden_size: args.hidden,
        intermediate_size: args.mlp,
        layers: args.layers,
        end_token: codec.end_token(),
        ..TinyLlama::default()
    };
    let decoder = Decoder::init(&shape.config(), args.seed, &device);
    println!("Countdown: combine three numbers into a target, e.g. 3 4 5>27 as 4+5=9;3*9=27.");
    println!(
        "  {} problems to train on, {} held out; a model of {} parameters, untrained.",
        train.len(),
        held_out.len(),
        decoder.num_params()
    );
    std::fs::create_dir_all(&args.out)?;

    println!("\nPhase 1, supervised: the model reads worked solutions and learns their form.");
    let learner = learner(decoder);
    let weights = learner.handle();
    let steps = args.sft_only.unwrap_or_else(|| scaled(args.sft_steps, args.budget));
    let config = SftConfig {
        steps,
        rows_per_step: args.sft_rows,
        micro_batch: MicroBatch { rows: 1_024, tokens: 65_536 },
        learning_rate: args.sft_rate,
        schedule: Schedule { warmup_steps: 20, decay: Decay::Cosine { final_fraction: 0.1 } },
        ..SftConfig::default()
    };
    let rows = WarmUp::new(train.clone(), codec, args.max_value, args.seed)?;
    let mut sft =
        SftTrainer::new(Box::new(learner), Box::new(rows), Box::new(Nll::default()), config)?
            .with_callback(MetricsLog::new(&args.out))
            .with_callback(Progress::new())
            .with_callback(Interrupt::install()?);
    sft.run()?;
    println!("sft seconds {:.1}", clock.elapsed().as_secs_f64());
    drop(sft);

    let before = Exam::take(&held_out, codec, &weights, args.seed)?;
    before.print("before");

    println!(
        "\nPhase 2, practice: the model solves problems by itself; right solutions are reinforced (DAPO)."
    );
    let decoder = weights.with(|decoder, _| decoder.valid())?;
    let learner = self::learner(decoder);
    let weights = learner.handle();
    let recipe = preset::dapo();
    let stage = RolloutStage {
        source: Box::new(Prompts::new(train, codec, args.seed)?),
        engine: Box::new(engine(&weights, codec)?),
        reward: Box::new(CountdownReward),
        filter: recipe.filter.as_ref().map(|filter| filter.build()).transpose()?,
        refill: Refill { max_rounds: 3, ..Refill::default() },
        on_unavailable: Default::default(),
    };
    let config = RlConfig {
        steps: scaled(args.rl_steps, args.budget),
        prompts_per_step: args.prompts,
        group_size: args.group,
        sampling: SamplingParams { max_tokens: 16, seed: args.seed, ..SamplingParams::default() },
        micro_batch: MicroBatch { rows: 1_024, tokens: 65_536 },
        learning_rate: args.rl_rate,
        schedule: Schedule { warmup_steps: 5, decay: Decay::Cosine { final_fraction: 0.1 } },
        ..RlConfig::default()
    };
    let mut rl = RlTrainer::new(
        Box::new(learner),
        stage,
        recipe.advantage.build()?,
        Box::new(recipe.loss.build()?),
        config,
    )?
    .with_callback(MetricsLog::new(&args.out))
    .with_callback(CompletionsLog::new(&args.out, CompletionsLogConfig::default())?)
    .with_callback(Progress::new())
    .with_callback(Interrupt::install()?);
    rl.run()?;
    drop(rl);
    println!("rl done {:.1}", clock.elapsed().as_secs_f64());

    let after = Exam::take(&held_out, codec, &weights, args.seed)?;
    after.print("after");
    let (b, a) = (&before.tally, &after.tally);
    println!(
        "held-out accuracy: before {:.3} after {:.3} greedy {:.3} {:.3} seconds {:.0}",
        b.accuracy(),
        a.accuracy(),
        b.greedy().unwrap_or(0.0),
        a.greedy().unwrap_or(0.0),
        clock.elapsed().as_secs_f64()
    );
    Ok(())
}

fn learner(decoder: Decoder) -> Learner {
    let adamw = AdamWConfig { beta2: 0.99, ..AdamWConfig::default() };
    Learner::new(decoder, LearnerConfig { adamw, max_grad_norm: Some(1.0), shards: 2 })
}

fn engine(weights: &WeightHandle, codec: Codec) -> Result<LocalEngine, BoxError> {
    let text = Arc::new(Text(codec, [codec.end_token()]));
    Ok(LocalEngine::new(weights.clone(), text, EngineConfig::default())?)
}

fn scaled(steps: u64, budget: f64) -> u64 {
    ((steps as f64 * budget).round() as u64).max(2)
}

/// Answers to every held-out problem.
struct Exam {
    answers: Vec<(Problem, String, Vec<String>)>,
    tally: Tally,
}

impl Exam {
    fn take(
        problems: &[Problem],
        codec: Codec,
        weights: &WeightHandle,
        seed: u64,
    ) -> Result<Self, BoxError> {
        let mut engine = engine(weights, codec)?;
        engine.refresh(&WeightUpdate::InProcess { version: 0 })?;
        let request = |problem: &Problem, n, params: SamplingParams| Request {
            prompt: Prompts::prompt(problem, codec, 0, 0),
            n,
            params,
            ..Request::default()
        };
        let samples = SamplingParams { max_tokens: 16, seed, ..SamplingParams::default() };
        let sampled: Vec<Request> =
            problems.iter().map(|p| request(p, SAMPLES, samples.clone())).collect();
        let greedy: Vec<Request> =
            problems.iter().map(|p| request(p, 1, SamplingParams::greedy(16))).collect();
        let sampled = engine.generate(&sampled, &mut |_| Flow::Continue)?;
        let greedy = engine.generate(&greedy, &mut |_| Flow::Continue)?;
        let (mut answers, mut tally) = (Vec::new(), Tally::default());
        for (problem, (sampled, greedy)) in problems.iter().zip(sampled.into_iter().zip(greedy)) {
            let text = |c: &refire::core::Completion| c.text.clone();
            let right = |c: &refire::core::Completion| {
                matches!(c.finish, Finish::EndToken { .. }) && verify(problem, &c.text).is_ok()
            };
            let count = sampled.completions.iter().filter(|c| right(c)).count();
            tally.add(SAMPLES, count, greedy.completions.first().map(right));
            let best = greedy.completions.first().map(text).unwrap_or_default();
            answers.push((problem.clone(), best, sampled.completions.iter().map(text).collect()));
        }
        Ok(Self { answers, tally })
    }

    fn print(&self, when: &str) {
        println!(
            "{when}: {:.3} ± {:.3} at temperature 1, {:.3} greedy, {:.3} pass@{SAMPLES}",
            self.tally.accuracy(),
            self.tally.standard_error(),
            self.tally.greedy().unwrap_or(0.0),
            self.tally.pass_at(SAMPLES)
        );
        for (p, greedy, samples) in self.answers.iter().take(3) {
            println!("   {:?}>{}   {}   {}", p.numbers, p.target, greedy, samples[0]);
        }
    }
}
