//! Supervised fine-tuning of a pretrained model on files of texts, chats, or questions with answers.
//!
//! ```text
//! cargo run --release --example finetune -- --model SmolLM2-135M-Instruct --data chats.jsonl
//! ```
//!
//! Rows may be TRL's (`text`, `messages`, `prompt` and `completion`, …), ShareGPT's, Alpaca's or
//! verl's; `--prompt` and `--completion` name other columns. Chats go through the model's template,
//! and of each row the reply is learned. One row of twenty is held out, and its loss measured on the
//! way. `runs/finetune/` then holds the model as transformers opens it, or the adapter, the logs and
//! a report.

use clap::Parser;
use refire::burn::tensor::Device;
use refire::core::{BoxError, Row};
use refire::model::{LearnerConfig, LoraConfig, Pretrained};
use refire::objective::Dtype;
use refire::sft::loss::Nll;
use refire::train::{
    Decay, Interrupt, MetricsLog, MicroBatch, Progress, Report, Schedule, SftConfig, SftTrainer,
    ShowRows,
};
use refire_data::{
    ColumnMap, EncodeConfig, Format, Kind, Learn, ReadConfig, Reader, Record, ShuffledRows,
    encode_rows,
};
use std::path::PathBuf;

#[derive(Parser)]
#[command(about = "Supervised fine-tuning of a pretrained model on files")]
struct Args {
    /// Folder of the model: config.json, model.safetensors, tokenizer.json.
    #[arg(long)]
    model: PathBuf,
    /// Files, folders or patterns to learn from: JSONL, plain or compressed.
    #[arg(long, required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Column of the question; told from the columns if none is given.
    #[arg(long, requires = "completion")]
    prompt: Option<String>,
    /// Column of the answer.
    #[arg(long, requires = "prompt")]
    completion: Option<String>,
    /// Learns questions, too.
    #[arg(long)]
    everything: bool,
    /// Longer rows are left out.
    #[arg(long, default_value_t = 1_024)]
    max_tokens: usize,
    /// Rank of an adapter; without one, all weights are trained.
    #[arg(long)]
    lora: Option<usize>,
    /// Steps.
    #[arg(long, default_value_t = 100)]
    steps: u64,
    /// Rows of a step.
    #[arg(long, default_value_t = 8)]
    rows: usize,
    /// Peak learning rate; 2e-5, or 2e-4 for an adapter, if none is given.
    #[arg(long)]
    rate: Option<f64>,
    /// Makes layers' activations again in the backward pass: less memory, more time.
    #[arg(long)]
    checkpointing: bool,
    /// Seed of the order and of the adapter.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where everything goes.
    #[arg(long, default_value = "runs/finetune")]
    out: PathBuf,
}

fn main() -> Result<(), BoxError> {
    let args = Args::parse();
    let mut model = Pretrained::open(&args.model, &Device::flex())?;
    let (rows, held_out) = rows(&args, &model)?;
    println!(
        "{}: {} parameters; {} rows to learn, {} held out",
        args.model.display(),
        model.decoder.config.parameters(),
        rows.len(),
        held_out.len()
    );
    if let Some(r) = args.lora {
        let config = LoraConfig { r, lora_alpha: 2.0 * r as f64, ..LoraConfig::default() };
        model.decoder = model.decoder.with_lora(&config, args.seed)?;
    }
    let learner = model.learner(LearnerConfig {
        shards: 2,
        gradient_checkpointing: args.checkpointing,
        ..LearnerConfig::default()
    });
    let tokenizer = model.tokenizer;
    let source = ShowRows::new(ShuffledRows::new(rows, args.seed)?, 1, move |tokens| {
        Ok(tokenizer.decode(tokens, false)?)
    });
    let config = SftConfig {
        steps: args.steps,
        rows_per_step: args.rows,
        micro_batch: MicroBatch { rows: 8, tokens: 2 * args.max_tokens },
        learning_rate: args.rate.unwrap_or(if args.lora.is_some() { 2e-4 } else { 2e-5 }),
        schedule: Schedule {
            warmup_steps: args.steps / 20,
            decay: Decay::Cosine { final_fraction: 0.1 },
        },
        seed: args.seed,
        evaluate_every: (args.steps / 5).max(1),
        ..SftConfig::default()
    };
    std::fs::create_dir_all(&args.out)?;
    let objective = Box::new(Nll::default());
    let mut trainer = SftTrainer::new(Box::new(learner), Box::new(source), objective, config)?
        .with_callback(MetricsLog::new(&args.out))
        .with_callback(Progress::new())
        .with_callback(Interrupt::install()?);
    if !held_out.is_empty() {
        trainer = trainer.with_held_out(held_out)?;
    }
    let outcome = trainer.run()?;
    let folder = args.out.join(if args.lora.is_some() { "adapter" } else { "model" });
    trainer.policy().export(&folder, Dtype::Bf16)?;
    let report = args.out.join("report.html");
    Report::from_dir(&args.out)?.title("Supervised fine-tuning").write(&report)?;
    println!(
        "{} steps; the weights are in {}, the report is {}",
        outcome.steps,
        folder.display(),
        report.display()
    );
    Ok(())
}

/// Rows to learn, and every twentieth to measure on.
fn rows(args: &Args, model: &Pretrained) -> Result<(Vec<Row>, Vec<Row>), BoxError> {
    let format = match (&args.prompt, &args.completion) {
        (Some(prompt), Some(completion)) => Format::Columns {
            rows: Kind::PromptCompletion,
            names: ColumnMap::new([(prompt.as_str(), "prompt"), (completion, "completion")]),
        },
        _ => Format::Auto,
    };
    let reader = Reader::open(&args.data, ReadConfig { format, ..ReadConfig::default() })?;
    let records = reader.collect::<Result<Vec<Record>, _>>()?;
    let config = EncodeConfig {
        learn: if args.everything { Learn::Everything } else { Learn::Reply },
        max_tokens: Some(args.max_tokens),
        ..EncodeConfig::default()
    };
    let encoded = encode_rows(&records, &model.encoder(), &config)?;
    println!("{}", encoded.report);
    let (held_out, rows): (Vec<_>, Vec<_>) =
        encoded.items.into_iter().enumerate().partition(|(index, _)| index % 20 == 19);
    let plain = |rows: Vec<(usize, Row)>| rows.into_iter().map(|(_, row)| row).collect();
    Ok((plain(rows), plain(held_out)))
}
