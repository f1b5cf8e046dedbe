//! One piece of work on SmolLM2-135M's shape with random weights, timed: refire's side of
//! `cargo xtask bench-peers`. Prints `{"seconds": [...], "tokens": n, "peak_bytes": n}`.

#[path = "../../common/memory.rs"]
mod memory;
#[path = "../../common/shape.rs"]
mod shape;

use clap::{Parser, Subcommand};
use refire::burn::tensor::Device;
use refire::core::{BoxError, Callback, Control, Event, Flow, Prompt, Request, RolloutEngine};
use refire::core::{Needs, SamplingParams, Score, Stateful, reward_fn};
use refire::grpo::preset;
use refire::model::{Decoder, Learner, LearnerConfig};
use refire::objective::{Dtype, HeadQuery, Loss, Policy, TokenBatch};
use refire::sample::{Detokenize, EngineConfig, LocalEngine};
use refire::tasks::ShuffledPrompts;
use refire::train::{MicroBatch, RlConfig, RlTrainer, RolloutStage};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Instant;

#[derive(Parser)]
struct Args {
    /// Times the work is repeated, after once that isn't counted.
    #[arg(long, default_value_t = 1)]
    repeats: usize,
    /// Rows of a batch are read in so many shards at once.
    #[arg(long, default_value_t = 2)]
    shards: usize,
    #[command(subcommand)]
    work: Work,
}

#[derive(Clone, Subcommand)]
enum Work {
    /// Supervised step, 2 rows of 256 tokens: forward, backward, clipping, AdamW.
    Train {
        /// Activations are made again, layer by layer.
        #[arg(long)]
        checkpointing: bool,
    },
    /// Log-probabilities of 4 rows of 128 tokens.
    Logprobs,
    /// 96 new tokens after prompts of 32, sampled.
    Decode {
        #[arg(long)]
        batch: usize,
        /// Weights stored as bfloat16.
        #[arg(long)]
        bf16: bool,
    },
    /// A GRPO step: 4 prompts of 32 tokens, 4 completions of 64 each, one update.
    Grpo,
    /// Bytes per second that all threads together copy, counting reads and writes.
    Bandwidth,
}

fn main() -> Result<(), BoxError> {
    let args = Args::parse();
    let (tokens, seconds) = match args.work {
        Work::Train { checkpointing } => train(&args, checkpointing)?,
        Work::Logprobs => logprobs(&args)?,
        Work::Decode { batch, bf16 } => decode(&args, batch, bf16)?,
        Work::Grpo => grpo(&args)?,
        Work::Bandwidth => bandwidth(&args),
    };
    let peak_bytes = memory::peak()?;
    println!("{}", json!({ "seconds": seconds, "tokens": tokens, "peak_bytes": peak_bytes }));
    Ok(())
}

fn learner(args: &Args) -> Result<Learner, BoxError> {
    configured(LearnerConfig { shards: args.shards, ..LearnerConfig::default() })
}

fn configured(config: LearnerConfig) -> Result<Learner, BoxError> {
    let decoder = Decoder::init(&shape::smollm2()?, 0, &Device::flex());
    Ok(Learner::new(decoder, config))
}

/// Seconds of each repetition; the first, which warms up, is left out.
fn timed(
    repeats: usize,
    mut work: impl FnMut() -> Result<(), BoxError>,
) -> Result<Vec<f64>, BoxError> {
    work()?;
    let once = |_| {
        let start = Instant::now();
        work()?;
        Ok(start.elapsed().as_secs_f64())
    };
    (0..repeats).map(once).collect()
}

fn batch(rows: usize, width: u32) -> TokenBatch {
    let rows: Vec<Vec<u32>> = (0..rows as u32)
        .map(|row| (0..width).map(|i| (i * 7919 + row * 31) % 49_000).collect())
        .collect();
    let parts: Vec<(&[u32], &[u32])> = rows.iter().map(|row| row.split_at(1)).collect();
    TokenBatch::continuations(parts)
}

fn query(temperature: &[f32]) -> HeadQuery<'_> {
    HeadQuery::new(Needs::NONE, temperature)
}

fn train(args: &Args, gradient_checkpointing: bool) -> Result<(usize, Vec<f64>), BoxError> {
    let shards = args.shards;
    let config = LearnerConfig { shards, gradient_checkpointing, ..LearnerConfig::default() };
    let (mut learner, batch) = (configured(config)?, batch(2, 256));
    let targets = batch.targets.len() as f64;
    let seconds = timed(args.repeats, || {
        learner.accumulate(&batch, &query(&[1.0; 2]), &mut |stats| {
            Ok(Loss { total: stats.logprobs.sum() / -targets, metrics: Vec::new() })
        })?;
        learner.step(1e-5)?;
        Ok(())
    })?;
    Ok((512, seconds))
}

fn logprobs(args: &Args) -> Result<(usize, Vec<f64>), BoxError> {
    let (learner, batch) = (learner(args)?, batch(4, 128));
    let seconds = timed(args.repeats, || {
        let stats = learner.token_stats(&batch, &query(&[1.0; 4]))?;
        stats.logprobs.into_data();
        Ok(())
    })?;
    Ok((512, seconds))
}

struct NoText;

impl Detokenize for NoText {
    fn text(&self, _tokens: &[u32]) -> Result<String, BoxError> {
        Ok(String::new())
    }
    fn end_tokens(&self) -> &[u32] {
        &[]
    }
}

fn prompt(id: u64) -> Prompt {
    let tokens = (0..32).map(|i| (i * 7919 + id as u32 * 31) % 49_000).collect();
    Prompt { id, tokens, ..Prompt::default() }
}

fn decode(args: &Args, batch: usize, bf16: bool) -> Result<(usize, Vec<f64>), BoxError> {
    let learner = learner(args)?;
    let decode_dtype = if bf16 { Dtype::Bf16 } else { Dtype::F32 };
    let config = EngineConfig { decode_dtype, ..EngineConfig::default() };
    let mut engine = LocalEngine::new(learner.handle(), Arc::new(NoText), config)?;
    let params = SamplingParams { max_tokens: 96, ignore_end: true, ..Default::default() };
    let requests: Vec<Request> = (0..batch as u64)
        .map(|id| Request {
            prompt: prompt(id),
            n: 1,
            params: params.clone(),
            ..Default::default()
        })
        .collect();
    let seconds = timed(args.repeats, || {
        engine.generate(&requests, &mut |_| Flow::Continue)?;
        Ok(())
    })?;
    Ok((96 * batch, seconds))
}

/// Notes when steps end.
struct Clock(Arc<Mutex<Vec<Instant>>>);

impl Stateful for Clock {}

impl Callback for Clock {
    fn on_event(&mut self, event: &Event<'_>) -> Result<Control, BoxError> {
        if matches!(event, Event::Step { .. })
            && let Ok(mut times) = self.0.lock()
        {
            times.push(Instant::now());
        }
        Ok(Control::Continue)
    }
}

fn grpo(args: &Args) -> Result<(usize, Vec<f64>), BoxError> {
    let learner = learner(args)?;
    // Without a reference model, as TRL by default.
    let recipe = preset::dapo();
    let engine = LocalEngine::new(learner.handle(), Arc::new(NoText), EngineConfig::default())?;
    // Different rewards within a group, so that no advantage is zero.
    let reward = reward_fn("parity", |item| {
        Ok(Score::value(item.completion.tokens.iter().map(|t| f64::from(t % 2)).sum::<f64>()))
    });
    let stage = RolloutStage {
        source: Box::new(ShuffledPrompts::new((0..4).map(prompt).collect(), 0)?),
        engine: Box::new(engine),
        reward: Box::new(reward),
        filter: None,
        refill: Default::default(),
        on_unavailable: Default::default(),
    };
    let config = RlConfig {
        steps: 1 + args.repeats as u64,
        prompts_per_step: 4,
        group_size: 4,
        sampling: SamplingParams { max_tokens: 64, ignore_end: true, ..Default::default() },
        micro_batch: MicroBatch { rows: 16, tokens: 4_096 },
        learning_rate: 1e-6,
        ..RlConfig::default()
    };
    let times = Arc::new(Mutex::new(Vec::new()));
    RlTrainer::new(
        Box::new(learner),
        stage,
        recipe.advantage.build()?,
        Box::new(recipe.loss.build()?),
        config,
    )?
    .with_callback(Clock(Arc::clone(&times)))
    .run()?;
    let times = times.lock().map_err(|_| "the clock broke")?;
    let seconds = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    Ok((4 * 4 * 64, seconds))
}

fn bandwidth(args: &Args) -> (usize, Vec<f64>) {
    const WORDS: usize = 64 << 20;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut parts: Vec<_> = (0..threads)
        .map(|_| (vec![1.0_f32; WORDS / threads], vec![0.0_f32; WORDS / threads]))
        .collect();
    let mut copy = || {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for (from, to) in &mut parts {
                scope.spawn(|| to.copy_from_slice(std::hint::black_box(from)));
            }
        });
        start.elapsed().as_secs_f64()
    };
    copy();
    (2 * size_of::<f32>() * WORDS, (0..5 * args.repeats).map(|_| copy()).collect())
}
