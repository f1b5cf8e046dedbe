//! Opens a Hugging Face folder or a GGUF file, says what is in it, and writes it again if asked to.
//!
//! `cargo run --release --example inspect_model -- --model DIR [--adapter DIR] [--export DIR
//! --dtype bf16 --shard-bytes 5000000000] [--export-adapter DIR]`

use clap::{Parser, ValueEnum};
use refire::burn::tensor::Device;
use refire::core::BoxError;
use refire::model::{Decoder, Learner};
use refire::model::{LearnerConfig, ModelConfig, Pretrained, load_weights, save_weights_in_shards};
use refire::objective::Dtype;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Parser)]
#[command(about = "What a model folder holds")]
struct Args {
    /// Folder of the model: config.json and model.safetensors; tokenizer.json if it has one.
    #[arg(long)]
    model: PathBuf,
    /// Folder of an adapter of PEFT's for this model.
    #[arg(long)]
    adapter: Option<PathBuf>,
    /// Write the model to this folder, its adapter merged.
    #[arg(long)]
    export: Option<PathBuf>,
    /// Write the adapter to this folder.
    #[arg(long)]
    export_adapter: Option<PathBuf>,
    /// Number format of what is written.
    #[arg(long, value_enum, default_value_t = Format::F32)]
    dtype: Format,
    /// Most bytes of tensors in a file; more files with an index where this is too little.
    #[arg(long, default_value_t = 5_000_000_000)]
    shard_bytes: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    F32,
    Bf16,
    F16,
}

impl From<Format> for Dtype {
    fn from(format: Format) -> Self {
        match format {
            Format::F32 => Self::F32,
            Format::Bf16 => Self::Bf16,
            Format::F16 => Self::F16,
        }
    }
}

fn main() -> Result<(), BoxError> {
    let args = Args::parse();
    let clock = Instant::now();
    let learner = open(&args.model, args.adapter.as_deref())?;
    println!("opened in {:.2} s", clock.elapsed().as_secs_f64());
    if let Some(dir) = &args.export {
        learner.export_merged(dir, args.dtype.into())?;
        learner.handle().with(|decoder, _| {
            save_weights_in_shards(decoder, dir, args.dtype.into(), args.shard_bytes)
        })??;
        println!("written to {}", dir.display());
    }
    if let Some(dir) = &args.export_adapter {
        learner.handle().with(|decoder, _| decoder.save_adapter(dir, args.dtype.into()))??;
        println!("the adapter is in {}", dir.display());
    }
    Ok(())
}

/// The whole folder, or its weights alone where it has no tokenizer.
fn open(dir: &Path, adapter: Option<&Path>) -> Result<Learner, BoxError> {
    let adapted = |decoder: Decoder| match adapter {
        Some(dir) => decoder.with_adapter(dir),
        None => Ok(decoder),
    };
    if dir.is_dir() && !dir.join("tokenizer.json").exists() {
        let config = ModelConfig::read(dir)?;
        let decoder = adapted(load_weights(dir, &config, &Device::flex())?)?;
        describe(&decoder);
        println!("no tokenizer.json");
        return Ok(Learner::new(decoder, LearnerConfig::default()));
    }
    let mut model = Pretrained::open(dir, &Device::flex())?;
    model.decoder = adapted(model.decoder)?;
    describe(&model.decoder);
    println!("chat template: {}", if model.chat.is_some() { "yes" } else { "no" });
    println!("end tokens {:?}", model.end_tokens());
    Ok(model.learner(LearnerConfig::default()))
}

fn describe(decoder: &Decoder) {
    let config = &decoder.config;
    println!("{}, {} parameters", config.family.model_type(), config.parameters());
    println!("{} layers of width {}", config.layers.len(), config.hidden_size);
    println!("vocabulary {}, context {}", config.vocab_size, config.max_position_embeddings);
    if let Some(adapter) = decoder.adapter() {
        println!("an adapter of rank {}, alpha {}", adapter.r, adapter.lora_alpha);
    }
}
