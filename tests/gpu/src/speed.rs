//! How fast a GPU trains and decodes: tokens per second of networks with random weights. Build with
//! `CARGO_PROFILE_RELEASE_OPT_LEVEL=3`; the checks don't need it.

#[path = "../../../benches/common/shape.rs"]
mod shape;

use crate::fused;
use clap::ValueEnum;
use refire::burn::tensor::Device;
use refire::core::{BoxError, Flow, Needs, Prompt, Request, RolloutEngine, SamplingParams};
use refire::model::{DecodeOn, Decoder, Dtype, Learner, LearnerConfig, ModelConfig};
use refire::model::{load_weights_as, save_weights};
use refire::objective::{HeadQuery, Loss, Policy, TokenBatch};
use refire::sample::{Detokenize, EngineConfig, LocalEngine};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A network's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// To see that it runs.
    Tiny,
    /// SmolLM2-135M's.
    Smollm2,
    /// Qwen2.5-1.5B's.
    Qwen,
}

/// Number format of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    F32,
    F16,
    Bf16,
}

const REPEATS: usize = 5;

impl Shape {
    fn config(self) -> Result<ModelConfig, BoxError> {
        let (family, [hidden, inner, layers, heads, kv, vocab]) = match self {
            Self::Tiny => ("llama", [64, 96, 2, 4, 2, 512]),
            Self::Smollm2 => return Ok(shape::smollm2()?),
            Self::Qwen => ("qwen2", [1536, 8960, 28, 12, 2, 151_936]),
        };
        let raw: Value = json!({
            "model_type": family, "hidden_size": hidden, "intermediate_size": inner,
            "num_hidden_layers": layers, "num_attention_heads": heads,
            "num_key_value_heads": kv, "vocab_size": vocab, "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": true,
        });
        let raw = raw.as_object().cloned().unwrap_or_default();
        Ok(ModelConfig::from_map(raw, Path::new("shape"))?)
    }
}

/// Prints a line for each piece of work, its first round left out.
pub fn run(device: &Device, shape: Shape, format: Format) -> Result<(), BoxError> {
    let decoder = decoder(device, shape, format)?;
    let parameters = decoder.config.parameters();
    println!("{shape:?}, {parameters} parameters, {format:?}");
    let (long, wide) = if shape == Shape::Tiny { (16, 2) } else { (256, 8) };
    fused::run(device, if shape == Shape::Tiny { 256 } else { 4096 })?;
    let mut learner = Learner::new(decoder, LearnerConfig::default());
    for batch in [1, wide, 4 * wide] {
        decode(&learner, batch, long / 2)?;
    }
    for rows in [2, wide] {
        train(&mut learner, rows, long, parameters)?;
    }
    Ok(())
}

fn decoder(device: &Device, shape: Shape, format: Format) -> Result<Decoder, BoxError> {
    let config = shape.config()?;
    let dtype = match format {
        Format::F32 => return Ok(Decoder::init(&config, 0, device)),
        Format::F16 => Dtype::F16,
        Format::Bf16 => Dtype::Bf16,
    };
    let folder = tempfile::tempdir()?;
    save_weights(&Decoder::init(&config, 0, &Device::flex()), folder.path(), dtype)?;
    Ok(load_weights_as(folder.path(), &config, device, dtype)?)
}

/// The median of the repetitions, in seconds; one more comes first.
pub fn seconds(mut work: impl FnMut() -> Result<(), BoxError>) -> Result<f64, BoxError> {
    work()?;
    let once = |_| {
        let start = Instant::now();
        work()?;
        Ok(start.elapsed().as_secs_f64())
    };
    let mut all: Vec<f64> = (0..REPEATS).map(once).collect::<Result<_, BoxError>>()?;
    all.sort_by(f64::total_cmp);
    Ok(all[REPEATS / 2])
}

fn train(learner: &mut Learner, rows: usize, width: usize, size: usize) -> Result<(), BoxError> {
    let row = |row: usize| (0..width as u32).map(move |i| (i * 79 + row as u32 * 31) % 500);
    let rows: Vec<Vec<u32>> = (0..rows).map(|i| row(i).collect()).collect();
    let temperature = vec![1.0; rows.len()];
    let batch = TokenBatch::continuations(rows.iter().map(|row| row.split_at(1)));
    let targets = batch.targets.len() as f64;
    let seconds = seconds(|| {
        let query = HeadQuery::new(Needs::NONE, &temperature);
        learner.accumulate(&batch, &query, &mut |stats| {
            Ok(Loss { total: stats.logprobs.sum() / -targets, metrics: Vec::new() })
        })?;
        learner.step(1e-5)?;
        Ok(())
    })?;
    let tokens = (rows.len() * width) as f64 / seconds;
    // Forward and backward: six operations for each weight and token.
    let teraflops = 6.0 * size as f64 * tokens / 1e12;
    println!("training {} x {width}: {tokens:.0} tokens/s, {teraflops:.2} TFLOP/s", rows.len());
    Ok(())
}

fn decode(learner: &Learner, batch: usize, tokens: usize) -> Result<(), BoxError> {
    let config = EngineConfig { decode_on: DecodeOn::Device, ..EngineConfig::default() };
    let mut engine = LocalEngine::new(learner.handle(), Arc::new(NoText), config)?;
    let params = SamplingParams { max_tokens: tokens, ignore_end: true, ..Default::default() };
    let request = |id: usize| Request {
        prompt: Prompt {
            id: id as u64,
            tokens: (0..32).map(|i| (i * 79 + id as u32 * 31) % 500).collect(),
            ..Prompt::default()
        },
        n: 1,
        params: params.clone(),
        ..Request::default()
    };
    let requests: Vec<Request> = (0..batch).map(request).collect();
    let seconds = seconds(|| {
        engine.generate(&requests, &mut |_| Flow::Continue)?;
        Ok(())
    })?;
    let (steps, all) = (tokens as f64 / seconds, (batch * tokens) as f64 / seconds);
    println!("decoding, batch {batch}: {all:.0} tokens/s, {steps:.1} steps/s");
    Ok(())
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
