//! The negative log-likelihood against `F.cross_entropy`, and what must hold of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken test should fail")]

use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use refire_core::Metrics;
use refire_objective::{Counts, Objective, StepContext, Targets, TokenStats};
use refire_sft::{NllConfig, loss};
use serde_json::Value;
use std::path::PathBuf;

fn cases() -> Vec<Value> {
    let root = std::env::var("REFIRE_TEST_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    let file = PathBuf::from(root).join("golden/sft/sft_token.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is missing", file.display());
        return Vec::new();
    };
    let parsed: Value = serde_json::from_str(&text).unwrap();
    let is_nll = |case: &&Value| case["config"]["kind"] == "nll";
    let found: Vec<Value> =
        parsed["cases"].as_array().unwrap().iter().filter(is_nll).cloned().collect();
    assert!(!found.is_empty());
    found
}

/// Numbers of nested lists, end to end.
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

fn close(ours: &[f64], theirs: &[f64], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (a, b) in ours.iter().zip(theirs) {
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{what}: {a}, expected {b}");
    }
}

/// Statistics of each target from full logits, and the targets' mask.
struct Row {
    logits: Tensor<3>,
    stats: TokenStats,
    mask: Vec<Vec<bool>>,
}

/// Labels stand at their own token: the logits before it predict it.
fn shifted(case: &Value, device: &Device) -> Row {
    let inputs = &case["inputs"];
    let rows = inputs["logits"].as_array().unwrap();
    let [b, t, v] = [rows.len(), rows[0].as_array().unwrap().len(), flat(&rows[0][0]).len()];
    let data = TensorData::new(flat(&inputs["logits"]), [b, t, v]);
    let logits = Tensor::<3>::from_data(data, (device, DType::F64)).require_grad();
    let labels: Vec<i64> = flat(&inputs["labels"]).iter().map(|l| *l as i64).collect();
    let labels: Vec<Vec<i64>> = labels.chunks(t).map(|row| row[1..].to_vec()).collect();
    let mask = labels.iter().map(|row| row.iter().map(|l| *l != -100).collect()).collect();
    let index: Vec<i64> = labels.concat().iter().map(|l| (*l).max(0)).collect();
    let index = Tensor::<3, Int>::from_data(TensorData::new(index, [b, t - 1, 1]), device);
    let logprobs = log_softmax(logits.clone().narrow(1, 0, t - 1), 2);
    let mut stats =
        TokenStats::from_logprobs(logprobs.clone().gather(2, index).reshape([b, t - 1]));
    stats.mean_logprob = Some(logprobs.mean_dim(2).reshape([b, t - 1]));
    Row { logits, stats, mask }
}

fn mask(rows: &[Vec<bool>], device: &Device) -> Tensor<2> {
    let values: Vec<f64> = rows.iter().flatten().map(|m| f64::from(*m)).collect();
    let dims = [rows.len(), rows[0].len()];
    Tensor::from_data(TensorData::new(values, dims), (device, DType::F64))
}

#[test]
fn cross_entropy() {
    let device = Device::flex().autodiff();
    for case in cases() {
        let name = case["name"].to_string();
        let label_smoothing = case["config"]["label_smoothing"].as_f64().unwrap_or(0.0);
        let row = shifted(&case, &device);
        let mut counts = Counts::of(&row.mask, 1);
        let outputs = &case["outputs"];
        assert_eq!(counts.tokens, outputs["n_valid"].as_f64().unwrap(), "{name}");
        if let Some(items) = case["config"]["num_items_in_batch"].as_f64() {
            counts.tokens = items;
        }
        let targets = Targets::new(mask(&row.mask, &device));
        let objective = NllConfig { label_smoothing }.build().unwrap();
        let loss = objective.loss(&row.stats, &targets, &StepContext::empty(), &counts).unwrap();
        let gradient = row.logits.grad(&loss.total.backward()).unwrap();
        close(&values(loss.total), &[outputs["loss"].as_f64().unwrap()], &name);
        close(&values(gradient), &flat(&outputs["grad_logits"]), &name);

        let mean = row.stats.mean_logprob.clone().unwrap();
        let per_token = loss::smoothed_nll(row.stats.logprobs.clone(), mean, label_smoothing);
        let per_token = per_token * targets.mask.clone();
        close(&values(per_token.clone()), &flat(&outputs["per_token_loss"]), &name);
        close(&values(per_token.sum_dim(1)), &flat(&outputs["per_row_sum"]), &name);
    }
}

struct Batch {
    stats: TokenStats,
    targets: Targets,
    counts: Counts,
}

/// Two rows of three tokens, one of them masked with whatever is given.
fn batch(junk: f32, device: &Device) -> Batch {
    let grid = |rows: [[f32; 3]; 2]| Tensor::<2>::from_data(rows, device);
    let logprobs = grid([[-1.0, -2.0, junk], [-4.0, -0.5, -3.0]]).require_grad();
    let mut stats = TokenStats::from_logprobs(logprobs);
    stats.mean_logprob = Some(grid([[-5.0, -6.0, junk], [-7.0, -5.5, -6.5]]));
    stats.entropy = Some(grid([[1.0, 2.0, junk], [3.0, 0.5, 1.5]]));
    let mut targets = Targets::new(grid([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]));
    targets.weights = Some(grid([[1.0, 0.5, junk], [2.0, 1.0, 0.0]]));
    let counts = Counts::of([[true, true, false], [true, true, true]], 1);
    Batch { stats, targets, counts }
}

fn run(batch: &Batch, config: NllConfig) -> (Vec<f64>, Vec<f64>, Metrics) {
    let objective = config.build().unwrap();
    let loss =
        objective.loss(&batch.stats, &batch.targets, &StepContext::empty(), &batch.counts).unwrap();
    let gradient = batch.stats.logprobs.grad(&loss.total.backward()).unwrap();
    let mut metrics = Metrics::default();
    metrics.extend(loss.metrics);
    (values(loss.total), values(gradient), metrics)
}

#[test]
fn weights_count_and_means_are_over_tokens() {
    let device = Device::flex().autodiff();
    let (total, _, metrics) = run(&batch(0.0, &device), NllConfig::default());
    let expected = (1.0 + 0.5 * 2.0 + 2.0 * 4.0 + 0.5) / 5.0;
    assert!((total[0] - expected).abs() < 1e-6);
    assert!((metrics.get("loss").unwrap() - expected).abs() < 1e-6);
    assert!((metrics.get("entropy").unwrap() - 8.0 / 5.0).abs() < 1e-6);
}

#[test]
fn masked_positions_have_no_influence() {
    let device = Device::flex().autodiff();
    for label_smoothing in [0.0, 0.1] {
        let config = NllConfig { label_smoothing };
        let clean = run(&batch(0.0, &device), config);
        for junk in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(run(&batch(junk, &device), config), clean);
        }
    }
}

#[test]
fn the_gradient_is_known_beforehand() {
    let device = Device::flex().autodiff();
    let batch = batch(f32::NAN, &device);
    let objective = NllConfig::default().build().unwrap();
    let known = objective.known_coefficients(&batch.targets, &batch.counts).unwrap();
    let (_, gradient, _) = run(&batch, NllConfig::default());
    assert!(gradient.iter().any(|g| *g != 0.0));
    close(&values(known), &gradient, "known coefficients");
    let smooth = NllConfig { label_smoothing: 0.1 }.build().unwrap();
    assert!(smooth.known_coefficients(&batch.targets, &batch.counts).is_none());
}

#[test]
fn shares_of_a_step_add_up() {
    let device = Device::flex().autodiff();
    let whole = batch(0.0, &device);
    let (total, gradient, metrics) = run(&whole, NllConfig::default());
    let (mut sum, mut parts, mut merged) = (0.0, Vec::new(), Metrics::default());
    for row in 0..2 {
        let cut = |t: Tensor<2>| t.narrow(0, row, 1);
        let logprobs = cut(whole.stats.logprobs.clone()).detach().require_grad();
        let mut stats = TokenStats::from_logprobs(logprobs);
        stats.entropy = whole.stats.entropy.clone().map(cut);
        let mut targets = Targets::new(cut(whole.targets.mask.clone()));
        targets.weights = whole.targets.weights.clone().map(cut);
        let part = Batch { stats, targets, counts: whole.counts };
        let (share, gradient, metrics) = run(&part, NllConfig::default());
        sum += share[0];
        parts.extend(gradient);
        merged.extend(metrics);
    }
    assert!((sum - total[0]).abs() < 1e-6);
    close(&parts, &gradient, "gradient");
    assert!((merged.get("loss").unwrap() - metrics.get("loss").unwrap()).abs() < 1e-6);
}

#[test]
fn nothing_to_learn_is_zero_with_a_gradient() {
    let device = Device::flex().autodiff();
    for rows in [0, 2] {
        let mut batch = batch(f32::NAN, &device);
        let cut = |t: Tensor<2>| t.slice([0..rows, 0..3]);
        batch.stats = TokenStats::from_logprobs(cut(batch.stats.logprobs).detach().require_grad());
        batch.targets = Targets::new(cut(batch.targets.mask) * 0.0);
        batch.counts = Counts::of(vec![[false; 3]; rows], 1);
        let (total, gradient, _) = run(&batch, NllConfig::default());
        assert_eq!((total, gradient), (vec![0.0], vec![0.0; 3 * rows]));
    }
}

#[test]
fn problems_are_named() {
    let device = Device::flex().autodiff();
    let error = NllConfig { label_smoothing: 1.0 }.build().unwrap_err().to_string();
    assert!(error.contains("label_smoothing"));
    assert!(serde_json::from_str::<NllConfig>(r#"{"smoothing": 0.1}"#).is_err());
    let mut batch = batch(0.0, &device);
    batch.stats.mean_logprob = None;
    let smooth = NllConfig { label_smoothing: 0.1 }.build().unwrap();
    let context = StepContext::empty();
    let error = smooth.loss(&batch.stats, &batch.targets, &context, &batch.counts).unwrap_err();
    assert!(error.to_string().contains("mean_logprob"));
    batch.targets.weights = Some(Tensor::ones([2, 2], &device));
    let plain = NllConfig::default().build().unwrap();
    let error = plain.loss(&batch.stats, &batch.targets, &context, &batch.counts).unwrap_err();
    assert!(error.to_string().contains("weights"));
}
