//! Adapters over weights in 4 bits.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use common::families::each;
use refire_core::Needs;
use refire_model::{
    Decode, Decoder, HostDecoder, Learner, LearnerConfig, LinearWeight, LoraConfig, ModelConfig,
    ModelError, TargetModules, TinyLlama, Work, load_weights, load_weights_in_4_bits,
};
use refire_objective::{Dtype, HeadQuery, Loss, Policy, TokenBatch};

const TOKENS: [u32; 20] = [3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 32, 38, 46, 2, 6, 43, 38, 32, 7];

fn lora() -> LoraConfig {
    let everything = r".*_proj".to_owned();
    let target_modules = TargetModules::Pattern(everything);
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

fn try_accumulate(learner: &mut Learner) -> Result<f64, refire_core::BoxError> {
    let batch = TokenBatch::continuations([(&TOKENS[..1], &TOKENS[1..])]);
    let query = HeadQuery::new(Needs::NONE, &[1.0]);
    let loss = &mut |stats: refire_objective::TokenStats| {
        Ok(Loss { total: stats.logprobs.mean().neg(), metrics: Vec::new() })
    };
    learner.accumulate(&batch, &query, loss).map(|report| report.total)
}

fn accumulate(learner: &mut Learner) -> f64 {
    try_accumulate(learner).unwrap()
}

fn weights(learner: &Learner) -> Decoder {
    learner.handle().with(|decoder, _| decoder.valid()).unwrap()
}

#[test]
fn gradients_and_steps_are_those_of_lora_over_the_dequantised_weights() {
    each(|decoder| {
        for use_dora in [false, true] {
            let config = LoraConfig { use_dora, lora_dropout: 0.1, ..lora() };
            let packed = decoder.clone().quantized().unwrap();
            assert!(packed.is_quantized() && !decoder.is_quantized());
            let whole = packed.dequantized();
            assert!(gap(&logits(&packed), &logits(&whole)) < 1e-5, "another network");
            assert!(gap(&logits(&packed), &logits(decoder)) > 1e-3, "nothing was rounded");
            let learner = |decoder: Decoder| {
                let adapted = decoder.with_lora(&config, 1).unwrap();
                Learner::new(adapted, LearnerConfig::default())
            };
            let (mut packed, mut whole) = (learner(packed), learner(whole));
            for _ in 0..3 {
                assert!((accumulate(&mut packed) - accumulate(&mut whole)).abs() < 1e-5);
                let norms = whole.gradient_norms().unwrap();
                assert_eq!(packed.gradient_norms().unwrap().len(), norms.len());
                for (path, norm) in norms {
                    let of = |learner: &Learner| values(learner.gradient(&path).unwrap());
                    let gap = gap(&of(&packed), &of(&whole));
                    assert!(gap < 1e-5, "{path}: {gap} with a norm of {norm}");
                }
                packed.step(5e-3).unwrap();
                whole.step(5e-3).unwrap();
            }
            assert!(gap(&logits(&weights(&packed)), &logits(&weights(&whole))) < 1e-4);
        }
    });
}

fn decoded(decoder: &Decoder) -> Vec<f32> {
    let host = HostDecoder::new(decoder).unwrap();
    let (mut cache, mut logits) = (host.cache(None, TOKENS.len()), vec![0.0; host.vocab()]);
    for tokens in TOKENS.chunks(1) {
        host.forward(&mut [Work { tokens, cache: &mut cache, logits: &mut logits }]).unwrap();
    }
    logits
}

#[test]
fn decoded_merged_and_exported_as_what_it_is() {
    each(|decoder| {
        let packed = decoder.clone().quantized().unwrap();
        let adapted = packed.clone().with_lora(&lora(), 1).unwrap();
        let mut learner = Learner::new(adapted, LearnerConfig::default());
        for _ in 0..3 {
            accumulate(&mut learner);
            learner.step(1e-2).unwrap();
        }
        let adapted = weights(&learner);
        let found = logits(&adapted);
        let last = &found[found.len() - decoder.config.vocab_size..];
        assert!(gap(&decoded(&adapted), last) < 1e-4, "decoded otherwise");
        assert!(gap(&logits(&adapted.merged()), &found) < 1e-4, "merged otherwise");
        assert_eq!(logits(&adapted.base()), logits(&packed), "the base has moved");

        let dir = tempfile::tempdir().unwrap();
        learner.export(dir.path(), Dtype::F32).unwrap();
        let again = packed.clone().with_adapter(dir.path()).unwrap();
        assert_eq!(logits(&again), found, "the adapter read again");

        let dir = tempfile::tempdir().unwrap();
        learner.export_merged(dir.path(), Dtype::F32).unwrap();
        let config = ModelConfig::read(dir.path()).unwrap();
        let whole = load_weights(dir.path(), &config, &Device::flex()).unwrap();
        assert!(gap(&logits(&whole), &found) < 1e-4, "the folder read again");

        let state = tempfile::tempdir().unwrap();
        learner.save_state(state.path()).unwrap();
        let adapted = packed.with_lora(&lora(), 9).unwrap();
        let mut resumed = Learner::new(adapted, LearnerConfig::default());
        resumed.load_state(state.path()).unwrap();
        assert_eq!(logits(&weights(&resumed)), found, "resumed otherwise");
    });
}

#[test]
fn a_folder_is_read_straight_into_4_bits() {
    each(|decoder| {
        let dir = tempfile::tempdir().unwrap();
        let learner = Learner::new(decoder.clone(), LearnerConfig::default());
        learner.export(dir.path(), Dtype::F32).unwrap();
        let config = ModelConfig::read(dir.path()).unwrap();
        let read = load_weights_in_4_bits(dir.path(), &config, &Device::flex()).unwrap();
        let expected = decoder.clone().quantized().unwrap();
        assert_eq!(logits(&read), logits(&expected));
        assert_eq!(read.weight_bytes(), expected.weight_bytes());
    });
}

#[test]
fn what_is_in_4_bits_and_what_is_not() {
    let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    let packed = decoder.clone().quantized().unwrap();
    let q = packed.model.layers[0].self_attn.q_proj.as_ref().unwrap();
    assert!(matches!(q.weight, LinearWeight::Packed(_)));
    let embedding = packed.model.embed_tokens.weight.val();
    assert_eq!(values(embedding), values(decoder.model.embed_tokens.weight.val()));
    let info = |decoder: Decoder| Learner::new(decoder, LearnerConfig::default()).info();
    let adapted = |decoder: &Decoder| decoder.clone().with_lora(&lora(), 0).unwrap();
    assert_eq!(info(adapted(&packed)), info(adapted(&decoder)), "parameters are counted alike");
}

#[test]
fn what_can_not_be_done_is_said() {
    let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    let mut learner = Learner::new(decoder.clone().quantized().unwrap(), LearnerConfig::default());
    let error = try_accumulate(&mut learner).unwrap_err().to_string();
    assert!(error.contains("with_lora"), "{error}");
    let adapted = decoder.with_lora(&lora(), 0).unwrap();
    let error = adapted.quantized().unwrap_err();
    assert!(matches!(error, ModelError::Adapter { .. }), "{error}");
}
