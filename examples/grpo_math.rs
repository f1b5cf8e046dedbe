//! GRPO or DAPO on questions with answers, for any Hugging Face folder of the Llama family.
//!
//! `cargo run --release --example grpo_math -- --model DIR --data FILE.jsonl`
//!
//! Each row of the file holds `question` and `answer`; of an answer as in GSM8K, what follows
//! `####` counts. The reward is 1 for a right answer in the last `\boxed{}`, and a tenth of that
//! for the box alone.

use clap::{Parser, ValueEnum};
use refire::burn::tensor::Device;
use refire::core::{BoxError, Message, Prompt, Role, SamplingParams, Score, reward_fn};
use refire::grpo::{Recipe, preset};
use refire::math::{ExtractRules, extract};
use refire::model::{LearnerConfig, Pretrained, RenderOptions};
use refire::objective::{Dtype, Policy};
use refire::reward::{MathConfig, MathReward, Weighted};
use refire::sample::{EngineConfig, LocalEngine, WithEndTokens};
use refire::tasks::{ShuffledPrompts, read_questions};
use refire::train::{
    CheckpointConfig, CompletionsLog, CompletionsLogConfig, Interrupt, MetricsLog, MicroBatch,
    Progress, Report, RlConfig, RlTrainer, RolloutStage, Schedule,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Parser)]
#[command(about = "Reinforcement learning on questions with answers")]
struct Args {
    /// Folder of the model: config.json, model.safetensors, tokenizer.json.
    #[arg(long)]
    model: PathBuf,
    /// Rows of `question` and `answer`, one JSON object a line.
    #[arg(long)]
    data: PathBuf,
    /// Where checkpoints, logs, the report and the trained model go.
    #[arg(long, default_value = "runs/grpo_math")]
    out: PathBuf,
    /// The published recipe.
    #[arg(long, value_enum, default_value_t = Method::Dapo)]
    method: Method,
    /// Steps.
    #[arg(long, default_value_t = 20)]
    steps: u64,
    /// Prompts per step.
    #[arg(long, default_value_t = 4)]
    prompts: usize,
    /// Completions per prompt.
    #[arg(long, default_value_t = 4)]
    group: usize,
    /// Most new tokens.
    #[arg(long, default_value_t = 128)]
    max_tokens: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 1e-6)]
    rate: f64,
    /// Seed of every draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Go on from the newest checkpoint in `--out`.
    #[arg(long)]
    resume: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Method {
    Grpo,
    Dapo,
    DrGrpo,
}

impl Method {
    fn recipe(self) -> Recipe {
        match self {
            Self::Grpo => preset::grpo(),
            Self::Dapo => preset::dapo(),
            Self::DrGrpo => preset::dr_grpo(),
        }
    }
}

fn main() -> Result<(), BoxError> {
    let args = Args::parse();
    let device = Device::flex();
    let model = Pretrained::open(&args.model, &device)?;
    let prompts = read_prompts(&args.data, &model)?;
    println!(
        "{}: {} parameters; {} questions",
        args.model.display(),
        model.decoder.config.parameters(),
        prompts.len()
    );
    println!("the first prompt, as the model reads it:\n{}\n", prompts[0].text);

    let learner = model.learner(LearnerConfig { shards: 2, ..LearnerConfig::default() });
    let recipe = args.method.recipe();
    let text = Arc::new(WithEndTokens { end_tokens: model.end_tokens(), codec: model.tokenizer });
    let stage = RolloutStage {
        source: Box::new(ShuffledPrompts::new(prompts, args.seed)?),
        engine: Box::new(LocalEngine::new(learner.handle(), text, EngineConfig::default())?),
        reward: Box::new(Weighted::new(vec![
            (0.9, Box::new(MathReward::new(MathConfig::default())?)),
            (0.1, Box::new(boxed())),
        ])?),
        filter: recipe.filter.as_ref().map(|filter| filter.build()).transpose()?,
        refill: Default::default(),
        on_unavailable: Default::default(),
    };
    let config = RlConfig {
        steps: args.steps,
        prompts_per_step: args.prompts,
        group_size: args.group,
        sampling: SamplingParams {
            max_tokens: args.max_tokens,
            seed: args.seed,
            ..SamplingParams::default()
        },
        micro_batch: MicroBatch { rows: 8, tokens: 2_048 },
        learning_rate: args.rate,
        schedule: Schedule { warmup_steps: 2, ..Schedule::default() },
        mask_truncated: recipe.overlong.mask_truncated,
        ..RlConfig::default()
    };
    std::fs::create_dir_all(&args.out)?;
    let checkpoints =
        CheckpointConfig { every: 10, ..CheckpointConfig::new(args.out.join("checkpoints")) };
    let reference = recipe.needs().ref_logprobs.then(|| learner.freeze());
    let latest = checkpoints.latest()?;
    let mut trainer = RlTrainer::new(
        Box::new(learner),
        stage,
        recipe.advantage.build()?,
        Box::new(recipe.loss.build()?),
        config,
    )?
    .with_callback(MetricsLog::new(&args.out))
    .with_callback(CompletionsLog::new(&args.out, CompletionsLogConfig::default())?)
    .with_callback(Progress::new())
    .with_callback(Interrupt::install()?)
    .with_checkpoints(checkpoints);
    if let Some(reference) = reference {
        trainer = trainer.with_reference(reference);
    }
    if let Some(path) = latest.filter(|_| args.resume) {
        println!("going on from {}", path.display());
        trainer.resume(&path)?;
    }
    let outcome = trainer.run()?;
    trainer.policy().export(&args.out.join("model"), Dtype::Bf16)?;
    let report = args.out.join("report.html");
    Report::from_dir(&args.out)?
        .title("Reinforcement learning on questions with answers")
        .write(&report)?;
    println!(
        "{} steps; the model is in {}, the report is {}",
        outcome.steps,
        args.out.join("model").display(),
        report.display()
    );
    Ok(())
}

/// A tenth of the reward: the answer stands in a box at all.
fn boxed() -> impl refire::core::Reward {
    reward_fn("boxed", |item| {
        let found = extract(&item.completion.text, &ExtractRules::default()).answer.is_ok();
        Ok(Score::value(f64::from(u8::from(found))))
    })
}

/// Questions as the model reads them, through its chat template if it has one.
fn read_prompts(path: &Path, model: &Pretrained) -> Result<Vec<Prompt>, BoxError> {
    let prompts = read_questions(path)?.into_iter().map(|row| {
        let ask =
            format!("{}\nThink step by step, then put the answer in \\boxed{{}}.", row.question);
        let text = match &model.chat {
            Some(chat) => {
                let options = RenderOptions { add_generation_prompt: true, ..Default::default() };
                chat.render(&[Message::new(Role::User, ask)], &options)?
            }
            None => format!("{ask}\n"),
        };
        Ok(Prompt {
            id: row.row as u64,
            tokens: model.tokenizer.encode_rendered(&text)?,
            text,
            answer: Some(row.answer),
            ..Prompt::default()
        })
    });
    prompts.collect()
}
