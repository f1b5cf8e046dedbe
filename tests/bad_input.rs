//! Bad input is told clearly, and loses nothing.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use refire::burn::tensor::Device;
use refire::core::{BoxError, Prompt, PromptSource, Request, Reward, Score, Scored, Stateful};
use refire::model::{ModelConfig, load_weights, save_weights};
use refire::objective::{Dtype, Policy};
use refire::tasks::read_questions;
use refire::train::{OnUnavailable, RlConfig};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A model folder made by ourselves.
fn folder(dir: &Path) -> ModelConfig {
    common::learner(None).export(dir, Dtype::F32).unwrap();
    ModelConfig::read(dir).unwrap()
}

fn load_error(dir: &Path, config: &ModelConfig) -> String {
    load_weights(dir, config, &Device::flex()).unwrap_err().to_string()
}

#[test]
fn an_exported_folder_loads_with_the_same_logits() {
    let dir = tempfile::tempdir().unwrap();
    let learner = common::learner(None);
    learner.export(dir.path(), Dtype::F32).unwrap();
    let config = ModelConfig::read(dir.path()).unwrap();
    let loaded = load_weights(dir.path(), &config, &Device::flex()).unwrap();
    let before = learner.handle().with(|decoder, _| decoder.logits(&[1, 2, 3]).unwrap()).unwrap();
    let values =
        |t: refire::burn::tensor::Tensor<2>| -> Vec<f32> { t.inner().into_data().iter().collect() };
    // The two run through differently fused operations: equal up to the last bits.
    let pairs = values(before).into_iter().zip(values(loaded.logits(&[1, 2, 3]).unwrap()));
    let gap = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(gap < 1e-5, "{gap}");
}

#[test]
fn weights_that_do_not_fit_name_file_tensor_and_shapes() {
    let dir = tempfile::tempdir().unwrap();
    let config = folder(dir.path());
    let wider = ModelConfig { intermediate_size: 50, ..config.clone() };
    let error = load_error(dir.path(), &wider);
    assert!(
        error.contains("model.safetensors") && error.contains("mlp.gate_proj.weight"),
        "{error}"
    );
    assert!(error.contains("[48, 32]") && error.contains("[50, 32]"), "{error}");
    let layers = vec![config.layers[0].clone(); 3];
    let deeper = ModelConfig { layers, ..config.clone() };
    let error = load_error(dir.path(), &deeper);
    assert!(error.contains("model.layers.2.") && error.contains("missing"), "{error}");
    let shallower = ModelConfig { layers: config.layers[..1].to_vec(), ..config };
    assert!(load_error(dir.path(), &shallower).contains("model.layers.1."));
}

#[test]
fn a_truncated_safetensors_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = folder(dir.path());
    let path = dir.path().join("model.safetensors");
    let whole = std::fs::read(&path).unwrap();
    for keep in [0, 5, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..keep]).unwrap();
        let error = load_error(dir.path(), &config);
        assert!(error.contains("model.safetensors"), "{keep} bytes: {error}");
    }
}

#[test]
fn saving_leaves_no_half_written_file() {
    let dir = tempfile::tempdir().unwrap();
    let learner = common::learner(None);
    let saved = learner.handle().with(|d, _| save_weights(d, dir.path(), Dtype::Bf16)).unwrap();
    saved.unwrap();
    let names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["model.safetensors"]);
}

#[test]
fn a_configuration_that_is_not_supported_names_the_field() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path());
    let path = dir.path().join("config.json");
    let good: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (field, value, part) in [
        ("rope_scaling", serde_json::json!({"rope_type": "spiral"}), "rope_scaling.rope_type"),
        ("model_type", serde_json::json!("mamba"), "model_type"),
        ("hidden_size", serde_json::json!("wide"), "hidden_size"),
        ("num_key_value_heads", serde_json::json!(3), "num_key_value_heads"),
        ("hidden_act", serde_json::json!("relu"), "hidden_act"),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        std::fs::write(&path, bad.to_string()).unwrap();
        let error = ModelConfig::read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("config.json") && error.contains(part), "{error}");
    }
}

#[test]
fn data_errors_name_the_row() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    let error = |text: &str| {
        std::fs::write(&path, text).unwrap();
        read_questions(&path).unwrap_err().to_string()
    };
    let good = r#"{"question":"1+1?","answer":"2"}"#;
    let missing = error(&format!("{good}\n\n{{\"question\":\"2+2?\"}}\n"));
    assert!(missing.contains("row 3") && missing.contains("answer"), "{missing}");
    assert!(error(&format!("{good}\n{{broken")).contains("row 2"));
    assert!(error(r#"{"question":"2+2?","answer":" #### "}"#).contains("`answer` is empty"));
    assert!(error("\n\n").contains("holds no rows"));
    assert!(read_questions(&dir.path().join("none")).unwrap_err().to_string().contains("none"));
}

/// Works for a while, then something goes wrong.
struct Failing {
    calls: AtomicUsize,
    what: &'static str,
}

impl Reward for Failing {
    fn name(&self) -> &str {
        "failing"
    }
    fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if self.what == "error" && call == 4 {
            return Err("the grader's file is gone".into());
        }
        let score = |(index, item): (usize, &Scored<'_>)| match self.what {
            "unavailable" if index % 3 == 0 => Score::unavailable("the server is down", true),
            "recovers" if index % 3 == 0 && call.is_multiple_of(2) => {
                Score::unavailable("busy", true)
            }
            _ => Score::value(-(item.completion.len() as f64)),
        };
        Ok(items.iter().enumerate().map(score).collect())
    }
}

fn failing(what: &'static str) -> Box<dyn Reward> {
    Box::new(Failing { calls: AtomicUsize::new(0), what })
}

fn config(steps: u64) -> RlConfig {
    RlConfig { epochs: 1, minibatches: 1, ..common::rl_config(steps) }
}

fn metrics(dir: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(dir.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_reward_that_fails_ends_the_run_and_keeps_what_was_done() {
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = common::rl(dir.path(), config(50), failing("error"));
    let error = trainer.run().unwrap_err().to_string();
    assert!(error.contains("the grader's file is gone"), "{error}");
    let done = metrics(dir.path()).len() as u64;
    assert!(done >= 2, "{done} steps");
    let saved = common::checkpoints(dir.path(), 2).latest().unwrap().unwrap();
    assert!(saved.ends_with(format!("step-{done:08}")), "{}", saved.display());
    let mut again = common::rl(dir.path(), config(done + 2), Box::new(common::shaped()));
    again.resume(&saved).unwrap();
    assert_eq!(again.run().unwrap().steps, done + 2);
    assert_eq!(metrics(dir.path()).len() as u64, done + 2);
}

#[test]
fn rows_without_verifier_are_left_out_or_asked_again_or_end_the_run() {
    let dir = tempfile::tempdir().unwrap();
    common::rl(dir.path(), config(2), failing("unavailable")).run().unwrap();
    let unscored = metrics(dir.path())[0]["frac_unscored"].as_f64().unwrap();
    assert!((0.2..0.5).contains(&unscored), "{unscored}");

    let dir = tempfile::tempdir().unwrap();
    common::rl(dir.path(), config(2), failing("recovers")).run().unwrap();
    assert_eq!(metrics(dir.path())[0]["frac_unscored"].as_f64(), Some(0.0));

    let dir = tempfile::tempdir().unwrap();
    let on_unavailable = OnUnavailable { retries: 1, then_abort: true };
    let config = RlConfig { on_unavailable, ..config(2) };
    let error = common::rl(dir.path(), config, failing("unavailable")).run().unwrap_err();
    assert!(error.to_string().contains("the server is down"), "{error}");
}

/// Prompts that no context holds.
struct TooLong;

impl PromptSource for TooLong {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        let prompt = Prompt { id: 77, tokens: vec![1; 100], ..Prompt::default() };
        Ok(vec![Request { prompt, ..Request::default() }; n])
    }
}

impl Stateful for TooLong {}

#[test]
fn a_prompt_longer_than_the_context_names_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = common::rl_from(dir.path(), config(2), failing("none"), Box::new(TooLong));
    let error = trainer.run().unwrap_err().to_string();
    assert!(error.contains("77") && error.contains("100") && error.contains("64"), "{error}");
}

#[test]
fn every_problem_of_a_configuration_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let bad = RlConfig { prompts_per_step: 0, group_size: 0, learning_rate: -1.0, ..config(1) };
    let error = bad.validate().unwrap_err().to_string();
    for field in ["prompts_per_step", "group_size", "learning_rate"] {
        assert!(error.contains(field), "{error}");
    }
    drop(dir);
    assert!(serde_json::from_str::<RlConfig>(r#"{"stepz": 3}"#).is_err());
}
