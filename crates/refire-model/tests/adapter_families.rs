//! An adapter on every family: attached, trained, merged, decoded, saved and read again.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use common::families::{config, each};
use refire_core::Needs;
use refire_model::{
    Decode, Decoder, Family, HostDecoder, Learner, LearnerConfig, LoraConfig, ModelConfig,
    ModelError, TargetModules, Work, load_weights,
};
use refire_objective::{Dtype, HeadQuery, Loss, Policy, TokenBatch};
use serde_json::json;

const TOKENS: [u32; 20] = [3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 32, 38, 46, 2, 6, 43, 38, 32, 7];

/// Everything a network has: projections, experts, routers, the head and the embedding.
const EVERYTHING: &str = r"(.*(proj|gate)|lm_head|model\.embed_tokens)";

fn lora(pattern: &str) -> LoraConfig {
    let target_modules = TargetModules::Pattern(pattern.to_owned());
    LoraConfig { r: 3, lora_alpha: 5.0, target_modules, ..LoraConfig::default() }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().into_data().iter::<f32>().collect()
}

fn logits(decoder: &Decoder) -> Vec<f32> {
    values(decoder.logits(&TOKENS).unwrap())
}

fn gap(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f32::max)
}

fn accumulate(learner: &mut Learner) -> f64 {
    let batch = TokenBatch::continuations([(&TOKENS[..1], &TOKENS[1..])]);
    let query = HeadQuery::new(Needs::NONE, &[1.0]);
    let loss = &mut |stats: refire_objective::TokenStats| {
        Ok(Loss { total: stats.logprobs.mean().neg(), metrics: Vec::new() })
    };
    learner.accumulate(&batch, &query, loss).unwrap().total
}

/// An adapter that has learned a little; its loss must have fallen.
fn trained(decoder: &Decoder, config: &LoraConfig) -> Learner {
    let adapted = decoder.clone().with_lora(config, 1).unwrap();
    let mut learner = Learner::new(adapted, LearnerConfig::default());
    let first = accumulate(&mut learner);
    learner.step(5e-3).unwrap();
    for _ in 0..3 {
        accumulate(&mut learner);
        learner.step(5e-3).unwrap();
    }
    let last = accumulate(&mut learner);
    assert!(last < first, "{last} after {first}");
    learner
}

fn weights(learner: &Learner) -> Decoder {
    learner.handle().with(|decoder, _| decoder.valid()).unwrap()
}

/// The last token's logits, decoded from a prompt and token by token.
fn decoded(decoder: &Decoder) -> Vec<f32> {
    let host = HostDecoder::new(decoder).unwrap();
    let (mut cache, mut logits) = (host.cache(None, TOKENS.len()), vec![0.0; host.vocab()]);
    let (prompt, rest) = TOKENS.split_at(7);
    for tokens in std::iter::once(prompt).chain(rest.chunks(1)) {
        host.forward(&mut [Work { tokens, cache: &mut cache, logits: &mut logits }]).unwrap();
    }
    logits
}

#[test]
fn trained_merged_decoded_and_saved_on_every_family() {
    each(|decoder| {
        for pattern in [r".*\.(q|k|v|o|qkv|gate|up|gate_up|down)_proj", EVERYTHING] {
            let learner = trained(decoder, &lora(pattern));
            let adapted = weights(&learner);
            let found = logits(&adapted);
            assert!(gap(&found, &logits(decoder)) > 1e-4, "the adapter changes nothing");
            let last = &found[found.len() - decoder.config.vocab_size..];
            assert!(gap(&decoded(&adapted), last) < 1e-4, "decoded otherwise");

            let merged = adapted.merged();
            assert!(gap(&logits(&merged), &found) < 1e-4, "merged otherwise");
            assert!(gap(&decoded(&merged), last) < 1e-4, "merged and decoded otherwise");

            let dir = tempfile::tempdir().unwrap();
            learner.export(dir.path(), Dtype::F32).unwrap();
            let again = decoder.clone().with_adapter(dir.path()).unwrap();
            assert_eq!(logits(&again), found, "read again");
            let taken_out = merged.with_adapter(dir.path()).unwrap().unmerged().unwrap();
            assert!(gap(&logits(&taken_out), &logits(decoder)) < 1e-3, "taken out again");

            let dir = tempfile::tempdir().unwrap();
            learner.export_merged(dir.path(), Dtype::F32).unwrap();
            let config = ModelConfig::read(dir.path()).unwrap();
            let whole = load_weights(dir.path(), &config, &Device::flex()).unwrap();
            assert!(gap(&logits(&whole), &found) < 1e-4, "exported otherwise");
            assert_eq!(logits(&adapted.base()), logits(decoder), "bits of the base");
        }
    });
}

/// Gradients point where the loss falls: of the ends' adapters, by central differences.
#[test]
fn gradients_of_the_ends_equal_differences() {
    for tied in [false, true] {
        let config = config(Family::Llama, json!({"tie_word_embeddings": tied}));
        let decoder = Decoder::init(&config, 4, &Device::flex());
        let mut learner = trained(&decoder, &lora("lm_head|model\\.embed_tokens"));
        let paths: Vec<String> = learner.gradient_norms().unwrap().into_keys().collect();
        let ends = ["lm_head", "model.embed_tokens"];
        let expected = ends.map(|end| ["a", "b"].map(|m| format!("{end}.lora.{m}"))).concat();
        assert_eq!(paths, expected);
        let start = weights(&learner);
        for path in &expected {
            let gradient = values(learner.gradient(path).unwrap());
            let largest =
                gradient.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
            let (index, slope) = largest.unwrap();
            let total = |step: f32| {
                let mut moved = start.clone();
                move_one(&mut moved, path, index, step);
                let mut learner = Learner::new(moved, LearnerConfig::default());
                accumulate(&mut learner)
            };
            // Of the fourth order: an embedding's slope bends.
            let step = 5e-3;
            let between = |step: f32| (total(step) - total(-step)) / (2.0 * f64::from(step));
            let difference = (4.0 * between(step) - between(2.0 * step)) / 3.0;
            let near = (f64::from(*slope) - difference).abs() < 2e-2 * difference.abs().max(1e-3);
            assert!(near, "{path}[{index}]: {slope}, by differences {difference}");
        }
        // One of them didn't change the other's weight.
        assert!(!start.merged().config.tie_word_embeddings);
        accumulate(&mut learner);
    }
}

fn move_one(decoder: &mut Decoder, path: &str, index: usize, step: f32) {
    let lora = match path.starts_with("lm_head") {
        true => decoder.lm_head.as_mut().unwrap().lora.as_mut().unwrap(),
        false => decoder.model.embed_tokens.lora.as_mut().unwrap(),
    };
    let param = if path.ends_with('a') { &mut lora.a } else { &mut lora.b };
    let (shape, mut all) = (param.val().dims(), values(param.val()));
    all[index] += step;
    let data = burn::tensor::TensorData::new(all, shape);
    *param = burn::module::Param::from_tensor(Tensor::from_data(data, &Device::flex()));
}

/// PEFT saves the embedding and the head beside adapters of theirs.
#[test]
fn ends_that_peft_saves_beside_an_adapter_must_be_the_models() {
    let decoder = Decoder::init(&config(Family::Llama, json!({})), 4, &Device::flex());
    let dir = tempfile::tempdir().unwrap();
    let adapted = decoder.clone().with_lora(&lora("lm_head"), 0).unwrap();
    adapted.save_adapter(dir.path(), Dtype::F32).unwrap();
    let file = dir.path().join("adapter_model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut all: Vec<_> = tensors.tensors();
    let name = "base_model.model.lm_head.base_layer.weight".to_owned();
    for change in [0.0, 0.25] {
        let weight = values(decoder.head_weight() + change);
        let raw: Vec<u8> = weight.iter().flat_map(|v| v.to_le_bytes()).collect();
        let shape = decoder.head_weight().dims().to_vec();
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, &raw);
        all.retain(|(found, _)| *found != name);
        let mut with = all.clone();
        with.push((name.clone(), view.unwrap()));
        safetensors::serialize_to_file(with, None, &file).unwrap();
        match (decoder.clone().with_adapter(dir.path()), change == 0.0) {
            (Ok(again), true) => assert_eq!(logits(&again), logits(&adapted)),
            (Err(ModelError::Adapter { reason }), false) => assert!(reason.contains(&name)),
            (other, _) => panic!("{other:?}"),
        }
    }
}

/// The folder is named, and what in it doesn't fit.
#[test]
fn an_adapter_of_another_family_is_refused_by_name() {
    let of = |family| Decoder::init(&config(family, json!({})), 4, &Device::flex());
    let dir = tempfile::tempdir().unwrap();
    let adapted = of(Family::Llama).with_lora(&lora(r".*\.gate_proj"), 0).unwrap();
    adapted.save_adapter(dir.path(), Dtype::F32).unwrap();
    // Its projections are fused.
    let error = of(Family::Phi3).with_adapter(dir.path()).unwrap_err().to_string();
    assert!(error.contains(&dir.path().display().to_string()), "{error}");
    assert!(error.contains("gate_proj"), "{error}");
}
