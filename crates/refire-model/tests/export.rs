//! Exported folders hold the same model and whatever came with it.

#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::Device;
use refire_model::{Decoder, Learner, LearnerConfig, ModelConfig, TinyLlama, load_weights};
use refire_objective::{Dtype, Policy};
use std::fs;

fn logits(decoder: &Decoder) -> Vec<f32> {
    decoder.logits(&[1, 2, 3]).unwrap().into_data().iter::<f32>().collect()
}

#[test]
fn an_exported_folder_opens_as_the_same_model_with_its_companions() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let templates = from.path().join("additional_chat_templates");
    fs::create_dir(&templates).unwrap();
    fs::write(templates.join("tool_use.jinja"), "{{ messages }}").unwrap();
    let file = from.path().join("special_tokens_map.json");
    fs::write(&file, "{}").unwrap();

    let decoder = Decoder::init(&TinyLlama::default().config(), 3, &Device::flex());
    let expected = logits(&decoder);
    let learner = Learner::new(decoder, LearnerConfig::default());
    learner.with_companions(vec![templates, file]).export(to.path(), Dtype::F32).unwrap();

    let config = ModelConfig::read(to.path()).unwrap();
    let again = load_weights(to.path(), &config, &Device::flex()).unwrap();
    assert_eq!(logits(&again), expected);
    let template = to.path().join("additional_chat_templates/tool_use.jinja");
    assert_eq!(fs::read_to_string(template).unwrap(), "{{ messages }}");
    assert!(to.path().join("special_tokens_map.json").exists());
}

#[test]
fn half_formats_are_the_rounded_weights() {
    for (dtype, bits) in [(Dtype::Bf16, 8), (Dtype::F16, 11)] {
        let to = tempfile::tempdir().unwrap();
        let decoder = Decoder::init(&TinyLlama::default().config(), 3, &Device::flex());
        let expected = logits(&decoder);
        let learner = Learner::new(decoder, LearnerConfig::default());
        learner.export(to.path(), dtype).unwrap();
        let config = ModelConfig::read(to.path()).unwrap();
        let again = logits(&load_weights(to.path(), &config, &Device::flex()).unwrap());
        assert_ne!(again, expected, "rounding to {dtype:?} changes something");
        let limit = 16.0 * 2_f32.powi(-bits);
        assert!(again.iter().zip(&expected).all(|(a, b)| (a - b).abs() < limit), "{dtype:?}");
    }
}
