use crate::recorder::Step;
use refire::burn::tensor::Device;
use refire::model::{AdamWConfig, Decoder, LearnerConfig, ModelConfig, load_weights};
use refire::train::{Decay, Schedule};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The golden folder, if there is one.
pub(crate) fn folder() -> Option<PathBuf> {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into();
    let root = std::env::var_os("REFIRE_TEST_DATA").map_or_else(beside, PathBuf::from);
    Some(root.join("golden")).filter(|path| path.join("trainer").is_dir())
}

pub(crate) fn read(file: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// The model that a file's runs begin with.
pub(crate) fn decoder(file: &Path, golden: &Value) -> Decoder {
    let dir = file.parent().unwrap().parent().unwrap().join(golden["base"].as_str().unwrap());
    let config = ModelConfig::read(&dir).unwrap();
    load_weights(&dir, &config, &Device::flex()).unwrap()
}

pub(crate) fn runs(golden: &Value) -> impl Iterator<Item = (&String, &Value)> {
    golden["runs"].as_object().unwrap().iter()
}

pub(crate) fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

pub(crate) fn number(args: &Value, name: &str) -> f64 {
    args[name].as_f64().unwrap_or_else(|| panic!("`{name}` is no number"))
}

pub(crate) fn count(args: &Value, name: &str) -> usize {
    args[name].as_u64().unwrap_or_else(|| panic!("`{name}` is no count")) as usize
}

pub(crate) fn learner_config(args: &Value) -> LearnerConfig {
    assert_eq!(args["optim"], "adamw_torch");
    LearnerConfig {
        adamw: AdamWConfig {
            beta1: number(args, "adam_beta1"),
            beta2: number(args, "adam_beta2"),
            eps: number(args, "adam_epsilon"),
            weight_decay: number(args, "weight_decay"),
        },
        max_grad_norm: Some(number(args, "max_grad_norm")),
        ..LearnerConfig::default()
    }
}

pub(crate) fn schedule(args: &Value) -> Schedule {
    let decay = match args["lr_scheduler_type"].as_str().unwrap() {
        "constant" | "constant_with_warmup" => Decay::Constant,
        "linear" => Decay::Linear,
        "cosine" => Decay::Cosine { final_fraction: 0.0 },
        other => panic!("unknown schedule {other}"),
    };
    Schedule { warmup_steps: args["warmup_steps"].as_u64().unwrap(), decay }
}

/// Compares a run's steps and its final weights with the reference.
pub(crate) fn compare(ours: &[Step], run: &Value) {
    let theirs = run["steps"].as_array().unwrap();
    assert!(ours.len() >= theirs.len(), "{} steps of {}", ours.len(), theirs.len());
    for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let check = |name: &str, ours: f64, relative: f64| {
            let theirs = number(theirs, name);
            let gap = (ours - theirs).abs();
            let fine = gap <= relative * theirs.abs() + 1e-6;
            assert!(fine, "step {index}, {name}: {ours} instead of {theirs}");
        };
        check("loss", ours.loss, if index == 0 { 1e-5 } else { 1e-4 });
        check("grad_norm", ours.grad_norm, 1e-4);
        check("lr", ours.rate, 1e-9);
        check("param_distance", ours.distance, 1e-3);
    }
    let last = &ours[theirs.len() - 1].deltas;
    for (name, theirs) in run["delta_l2_per_tensor"].as_object().unwrap() {
        let theirs = theirs.as_f64().unwrap();
        let ours = last.get(name).unwrap_or_else(|| panic!("no tensor {name}"));
        // Where a gradient is nearly zero Adam amplifies noise.
        let relative = if name.ends_with("k_proj.bias") { 5e-2 } else { 1e-3 };
        let fine = (ours - theirs).abs() <= relative * theirs + 1e-6;
        assert!(fine, "change of {name}: {ours} instead of {theirs}");
    }
}

/// Distances of a model's weights from those it began with, by path.
pub(crate) type Deltas = BTreeMap<String, f64>;
