//! A learner with Muon: it learns, leaves AdamW's parameters to AdamW, and goes on from its state
//! bit for bit.

#![allow(clippy::unwrap_used, clippy::panic)]

use burn::module::Module;
use burn::tensor::Device;
use refire_core::Needs;
use refire_model::{Decoder, Learner, LearnerConfig, LoraConfig, MuonConfig, TinyLlama};
use refire_objective::{HeadQuery, Loss, Policy, TokenBatch};
use std::collections::BTreeSet;
use std::path::Path;

const RATE: f64 = 2e-3;

fn decoder() -> Decoder {
    Decoder::init(&TinyLlama::default().config(), 5, &Device::flex())
}

fn with_muon() -> LearnerConfig {
    LearnerConfig { muon: Some(MuonConfig::default()), ..LearnerConfig::default() }
}

/// One step on sequences to be learned by heart; the loss per token before it.
fn step(learner: &mut Learner) -> f64 {
    let batch = TokenBatch::continuations([
        (&[1, 7][..], &[9, 4, 9, 30, 2][..]),
        (&[1, 8][..], &[3, 3, 61, 2][..]),
        (&[1, 90][..], &[17, 18, 19, 20, 21, 2][..]),
    ]);
    let query = HeadQuery::new(Needs::NONE, &[1.0; 3]);
    let report = learner.accumulate(&batch, &query, &mut |stats| {
        Ok(Loss { total: stats.logprobs.sum().neg() / 15.0, metrics: vec![] })
    });
    let loss = report.unwrap().total;
    learner.step(RATE).unwrap();
    loss
}

fn logits(learner: &Learner) -> Vec<u32> {
    let logits = learner.handle().with(|decoder, _| decoder.logits(&[1, 7, 9, 4])).unwrap();
    logits.unwrap().into_data().iter::<f32>().map(f32::to_bits).collect()
}

/// Names of what the optimisers remember, from their file.
fn remembered(dir: &Path) -> BTreeSet<String> {
    let bytes = std::fs::read(dir.join("optimizer.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    tensors.names().into_iter().map(str::to_owned).collect()
}

#[test]
fn a_small_model_learns_rows_by_heart() {
    let mut learner = Learner::new(decoder(), with_muon());
    let losses: Vec<f64> = (0..60).map(|_| step(&mut learner)).collect();
    println!("muon: loss per token {:.3}, then {:.3}", losses[0], losses[59]);
    assert!(losses[0] > 4.0 && losses[59] < 0.2, "{losses:?}");
}

#[test]
fn a_restored_learner_goes_on_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let mut straight = Learner::new(decoder(), with_muon());
    (0..3).for_each(|_| _ = step(&mut straight));
    straight.save_state(dir.path()).unwrap();
    let weights = straight.handle().with(|decoder, _| decoder.valid()).unwrap();
    (0..3).for_each(|_| _ = step(&mut straight));

    let other = Decoder::init(&TinyLlama::default().config(), 6, &Device::flex());
    let mut restored = Learner::new(other, with_muon());
    restored.load_state(dir.path()).unwrap();
    (0..3).for_each(|_| _ = step(&mut restored));
    assert_eq!(logits(&restored), logits(&straight));

    // Without what was remembered the same steps end elsewhere: the test sees what is restored.
    let mut forgetful = Learner::new(weights, with_muon());
    (0..3).for_each(|_| _ = step(&mut forgetful));
    assert_ne!(logits(&forgetful), logits(&straight));
}

#[test]
fn each_parameter_has_the_memory_of_one_optimiser() {
    let dir = tempfile::tempdir().unwrap();
    let mut learner = Learner::new(decoder(), with_muon());
    step(&mut learner);
    learner.save_state(dir.path()).unwrap();
    let names = remembered(dir.path());
    let has = |name: &str| names.contains(name);
    assert!(has("momentum.model.layers.0.self_attn.q_proj.weight"), "{names:?}");
    assert!(!has("mean.model.layers.0.self_attn.q_proj.weight"), "{names:?}");
    assert!(has("mean.model.embed_tokens.weight"), "{names:?}");
    assert!(has("square.model.layers.0.input_layernorm.weight"), "{names:?}");
    assert!(!has("momentum.model.embed_tokens.weight"), "{names:?}");
}

#[test]
fn state_of_another_optimiser_is_refused_and_changes_nothing() {
    let (of_muon, of_adamw) = (with_muon(), LearnerConfig::default());
    let cases = [
        (of_muon.clone(), of_adamw.clone(), "no moments (AdamW) for the parameter `model.layers."),
        (of_adamw, of_muon, "no momentum (Muon) for the parameter `model.layers."),
    ];
    for (saved, loaded, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let mut learner = Learner::new(decoder(), saved);
        step(&mut learner);
        learner.save_state(dir.path()).unwrap();
        let mut other = Learner::new(decoder(), loaded);
        let before = logits(&other);
        let error = other.load_state(dir.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(logits(&other), before);
    }
}

#[test]
fn adapters_remain_with_adamw_unless_asked_for() {
    for adapters in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let adapted = decoder().with_lora(&LoraConfig::default(), 0).unwrap();
        let muon = Some(MuonConfig { adapters, ..MuonConfig::default() });
        let mut learner = Learner::new(adapted, LearnerConfig { muon, ..LearnerConfig::default() });
        let losses: Vec<f64> = (0..8).map(|_| step(&mut learner)).collect();
        assert!(losses[7] < losses[0], "adapters {adapters}: {losses:?}");
        learner.save_state(dir.path()).unwrap();
        let names = remembered(dir.path());
        let kind = if adapters { "momentum." } else { "mean." };
        let path = "model.layers.0.self_attn.q_proj.lora.a";
        assert!(names.contains(&format!("{kind}{path}")), "adapters {adapters}: {names:?}");
        assert_eq!(names.iter().any(|name| name.starts_with("momentum.")), adapters);
    }
}

#[test]
fn configurations_without_muon_read_and_write_as_they_did() {
    let text = serde_json::to_string(&LearnerConfig::default()).unwrap();
    assert!(!text.contains("muon"), "{text}");
    assert_eq!(serde_json::from_str::<LearnerConfig>(&text).unwrap(), LearnerConfig::default());
    let config: LearnerConfig =
        serde_json::from_str(r#"{"muon": {"scale": "aspect", "rate_ratio": 50}}"#).unwrap();
    let muon = config.muon.clone().unwrap();
    assert_eq!((muon.rate_ratio, muon.momentum), (50.0, 0.95));
    let default = serde_json::to_value(MuonConfig::default()).unwrap();
    assert_eq!(default["scale"], "match_adamw");
    let again = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<LearnerConfig>(&again).unwrap(), config);
    let error = serde_json::from_str::<LearnerConfig>(r#"{"muon": {"momentums": 1}}"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `momentums`"), "{error}");
}

#[test]
fn the_learner_lists_muons_problems_too() {
    let muon = Some(MuonConfig { momentum: 1.5, ..MuonConfig::default() });
    let config = LearnerConfig { muon, shards: 0, ..LearnerConfig::default() };
    let problems: Vec<String> = config.validate().iter().map(ToString::to_string).collect();
    assert!(problems.iter().any(|p| p.starts_with("`muon.momentum` is 1.5")), "{problems:?}");
    assert_eq!(problems.len(), 2);
}
