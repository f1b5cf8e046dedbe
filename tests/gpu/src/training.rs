//! Updates: the loss, the gradient of every parameter, and the weights afterwards.

use crate::compare::{self, BACKWARD, FORWARD};
use crate::tally::Tally;
use refire::burn::tensor::Device;
use refire::core::{BoxError, Needs};
use refire::model::{
    AdamWConfig, Decoder, Dtype, Learner, LearnerConfig, LoraConfig, ModelConfig, ModelError,
    MuonConfig, load_weights, load_weights_as, save_weights,
};
use refire::objective::{HeadQuery, Loss, Policy, TokenBatch, TokenStats};
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::Path;

/// Of logits whose sums are made in eight bits, some hundred terms in all.
const HALF: f64 = 5e-2;

/// Tensors by name.
type Named = BTreeMap<String, Vec<f32>>;

/// Updates of all weights and of an adapter; files there and back.
pub fn run(tally: &mut Tally, device: &Device, name: &str, config: &ModelConfig) {
    for recompute in [false, true] {
        let how = if recompute { ", activations made again" } else { "" };
        tally.check(&format!("{name}: gradients and updates{how}"), || {
            updates(device, &|device| {
                let options = LearnerConfig { gradient_checkpointing: recompute, ..options() };
                Ok(Learner::new(Decoder::init(config, 3, device), options))
            })
        });
    }
    tally.check(&format!("{name}: gradients and updates of an adapter"), || {
        updates(device, &|device| {
            let lora = LoraConfig { r: 4, ..LoraConfig::default() };
            Ok(Learner::new(Decoder::init(config, 3, device).with_lora(&lora, 1)?, options()))
        })
    });
    tally.check(&format!("{name}: gradients and updates of an adapter beside 4 bits"), || {
        updates(device, &|device| {
            let lora = LoraConfig { r: 4, ..LoraConfig::default() };
            let decoder = Decoder::init(config, 3, device).quantized()?;
            Ok(Learner::new(decoder.with_lora(&lora, 1)?, options()))
        })
    });
    tally.check(&format!("{name}: gradients and updates by Muon"), || {
        updates(device, &|device| {
            let options = LearnerConfig { muon: Some(MuonConfig::default()), ..options() };
            Ok(Learner::new(Decoder::init(config, 3, device), options))
        })
    });
    for dtype in [Dtype::Bf16, Dtype::F16] {
        tally.check(&format!("{name}: logits of weights in {dtype:?}"), || {
            halves(device, config, dtype)
        });
    }
    tally.check(&format!("{name}: weights in files"), || files(device, config));
}

/// What both devices train with. The update is `g / (|g| + eps)` at first: with an `eps` below the
/// rounding of gradients it would tell the sign of rounding.
pub fn options() -> LearnerConfig {
    let adamw = AdamWConfig { eps: 1e-2, weight_decay: 0.01, ..AdamWConfig::default() };
    LearnerConfig { adamw, shards: 2, ..LearnerConfig::default() }
}

/// What two updates gave.
struct Trained {
    losses: Vec<f32>,
    gradients: Named,
    weights: Named,
}

fn updates(
    device: &Device,
    learner: &dyn Fn(&Device) -> Result<Learner, BoxError>,
) -> Result<String, BoxError> {
    let found = train(learner(device)?)?;
    let expected = train(learner(&Device::flex())?)?;
    let loss = compare::one(found.losses, expected.losses, FORWARD)?;
    let count = expected.gradients.len();
    let gradients = compare::all(&found.gradients, &expected.gradients, BACKWARD)?;
    let weights = compare::all(&found.weights, &expected.weights, BACKWARD)?;
    Ok(format!(
        "losses {loss:.1e} apart, gradients of {count} tensors {gradients:.1e}, weights {weights:.1e}"
    ))
}

/// Completions of shared prompts, some read in a second part of the step; the likelihood and the
/// entropy of what they say.
fn train(mut learner: Learner) -> Result<Trained, BoxError> {
    let parts = [
        TokenBatch::shared([
            (&[5, 9, 17][..], &[3, 4, 0][..]),
            (&[5, 9, 17][..], &[8, 0][..]),
            (&[5, 9, 17][..], &[21, 22, 23, 24, 25, 0][..]),
            (&[40, 41][..], &[7, 0][..]),
        ]),
        TokenBatch::continuations([(&[1, 100][..], &[99, 98, 0][..])]),
    ];
    let (mut losses, mut gradients) = (Vec::new(), Named::new());
    for _ in 0..2 {
        for batch in &parts {
            let temperature = vec![0.9; batch.rows];
            let needs = Needs { entropy: true, ..Needs::NONE };
            let query = HeadQuery::new(needs, &temperature);
            let report = learner.accumulate(batch, &query, &mut loss)?;
            losses.push(report.total as f32);
        }
        gradients.clear();
        for path in learner.gradient_norms()?.into_keys() {
            let gradient = learner.gradient(&path).ok_or("a gradient is missing")?;
            gradients.insert(path, compare::values(gradient)?);
        }
        learner.step(1e-2)?;
    }
    let folder = tempfile::tempdir()?;
    learner.export_merged(folder.path(), Dtype::F32)?;
    Ok(Trained { losses, gradients, weights: read(folder.path())? })
}

fn loss(stats: TokenStats) -> Result<Loss, BoxError> {
    let entropy = stats.entropy.ok_or("no entropy was computed")?;
    let total = stats.logprobs.sum().neg() * 0.1 - entropy.sum() * 0.01;
    Ok(Loss { total, metrics: Vec::new() })
}

/// Weights that are written from the CPU, read to the GPU and written from there are the same.
fn files(device: &Device, config: &ModelConfig) -> Result<String, BoxError> {
    let (ours, theirs) = (tempfile::tempdir()?, tempfile::tempdir()?);
    save_weights(&Decoder::init(config, 3, &Device::flex()), ours.path(), Dtype::F32)?;
    let loaded = load_weights(ours.path(), config, device)?;
    save_weights(&loaded, theirs.path(), Dtype::F32)?;
    let (ours, theirs) = (read(ours.path())?, read(theirs.path())?);
    compare::all(&theirs, &ours, 0.0)?;
    Ok(format!("{} tensors have the same bits", ours.len()))
}

/// Logits of weights in half precision, where the device knows it; otherwise it is refused.
fn halves(device: &Device, config: &ModelConfig, dtype: Dtype) -> Result<String, BoxError> {
    let folder = tempfile::tempdir()?;
    save_weights(&Decoder::init(config, 3, &Device::flex()), folder.path(), dtype)?;
    let logits = |device: &Device| -> Result<Vec<f32>, BoxError> {
        let decoder = load_weights_as(folder.path(), config, device, dtype)?;
        compare::values(decoder.logits(&[3, 4, 5, 6, 7])?)
    };
    match logits(device) {
        Ok(found) => {
            let gap = compare::one(found, logits(&Device::flex())?, HALF)?;
            Ok(format!("{gap:.1e} apart"))
        }
        Err(error) => match error.downcast_ref() {
            Some(ModelError::NumberFormat { .. }) => Ok(format!("refused ({error})")),
            _ => Err(error),
        },
    }
}

/// The tensors of a folder.
pub fn read(folder: &Path) -> Result<Named, BoxError> {
    let bytes = std::fs::read(folder.join("model.safetensors"))?;
    let file = SafeTensors::deserialize(&bytes)?;
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        let values = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
        (name, values.collect())
    });
    Ok(tensors.collect())
}
