//! The Llama family against transformers: logits, greedy tokens, loss and gradients.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::tensor::{Device, Tensor};
use common::{floats, ids, json, llamas};
use refire_core::Needs;
use refire_model::{
    Decode, Decoder, HostDecoder, Learner, LearnerConfig, ModelConfig, Rows, Work, load_weights,
};
use refire_objective::{HeadQuery, Loss, Policy, Segment, Target, TokenBatch};
use serde_json::Value;
use std::path::Path;

const TOLERANCE: f64 = 1e-4;

fn open(dir: &Path) -> Decoder {
    let config = ModelConfig::read(dir).unwrap();
    load_weights(dir, &config, &Device::flex()).unwrap()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

fn close(ours: &[f64], theirs: &[f64], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() < TOLERANCE, "{what}, value {i}: {a} instead of {b}");
    }
}

fn each(check: impl Fn(&Path, &Decoder, &Value)) {
    for dir in llamas() {
        let reference = json(&dir.join("reference.json"));
        check(&dir, &open(&dir), &reference);
        println!("checked {}", dir.display());
    }
}

#[test]
fn logits_and_logprobs() {
    each(|dir, decoder, reference| {
        for sequence in reference["sequences"].as_array().unwrap() {
            let tokens = ids(&sequence["input_ids"]);
            let logits = values(decoder.logits(&tokens).unwrap());
            let expected: Vec<f64> =
                sequence["logits"].as_array().unwrap().iter().flat_map(floats).collect();
            close(&logits, &expected, &format!("logits of {}", dir.display()));
            let learner = Learner::new(decoder.clone(), LearnerConfig::default());
            let batch = TokenBatch::continuations([(&tokens[..1], &tokens[1..])]);
            let stats = learner.token_stats(&batch, &query(&[1.0])).unwrap();
            close(&values(stats.logprobs), &floats(&sequence["logprobs"]), "logprobs");
        }
    });
}

#[test]
fn both_styles_of_config_are_the_same_model() {
    for dir in llamas() {
        let new = ModelConfig::read(&dir).unwrap();
        let path = dir.join("config_legacy.json");
        let old = json(&path).as_object().unwrap().clone();
        let old = ModelConfig::from_map(old, &path).unwrap();
        assert_eq!(ModelConfig { raw: new.raw.clone(), ..old }, new);
    }
}

#[test]
fn greedy_tokens_from_cache() {
    each(|dir, decoder, reference| {
        let host = HostDecoder::new(decoder).unwrap();
        for sequence in reference["sequences"].as_array().unwrap() {
            let prompt = ids(&sequence["input_ids"]);
            let expected = ids(&sequence["greedy"]["tokens"]);
            let margins = floats(&sequence["greedy"]["margin_top1_top2"]);
            let mut cache = host.cache(None, prompt.len() + expected.len());
            let mut logits = vec![0.0; host.vocab()];
            let mut next = prompt;
            for (step, (token, margin)) in expected.iter().zip(margins).enumerate() {
                let work = Work { tokens: &next, cache: &mut cache, logits: &mut logits };
                host.forward(&mut [work]).unwrap();
                if margin < 1e-3 {
                    break;
                }
                let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
                assert_eq!(best as u32, *token, "{} at step {step}", dir.display());
                next = vec![*token];
            }
        }
    });
}

#[test]
fn decoding_equals_the_full_forward_pass_with_and_without_a_shared_prefix() {
    each(|dir, decoder, reference| {
        let host = HostDecoder::new(decoder).unwrap();
        let tokens = ids(&reference["sequences"][1]["input_ids"]);
        let full = values(decoder.logits(&tokens).unwrap());
        let vocab = host.vocab();
        let mut logits = vec![0.0; vocab];
        let mut prompt = host.cache(None, 6);
        let work = Work { tokens: &tokens[..6], cache: &mut prompt, logits: &mut logits };
        host.forward(&mut [work]).unwrap();
        let mut cache = host.cache(prompt.into_prefix(), tokens.len());
        for (position, token) in tokens.iter().enumerate().skip(6) {
            let work = Work { tokens: &[*token], cache: &mut cache, logits: &mut logits };
            host.forward(&mut [work]).unwrap();
            let ours: Vec<f64> = logits.iter().map(|v| f64::from(*v)).collect();
            close(&ours, &full[position * vocab..][..vocab], &dir.display().to_string());
        }
    });
}

#[test]
fn padding_on_either_side_changes_nothing() {
    each(|dir, decoder, reference| {
        for side in ["batch_left_padded", "batch_right_padded"] {
            let batch = &reference[side];
            let rows = rows_of(batch);
            let hidden = decoder.hidden(&rows).unwrap();
            let logits = hidden.matmul(decoder.head_weight().transpose());
            for (row, tokens) in rows.as_slice().iter().enumerate() {
                let last = row * rows.width() + tokens.len() - 1;
                let ours = values(logits.clone().narrow(0, last, 1));
                let what = format!("{side} of {}, row {row}", dir.display());
                close(&ours, &floats(&batch["last_real_logits"][row]), &what);
                let single = values(decoder.logits(tokens).unwrap());
                close(&ours, &single[single.len() - ours.len()..], &what);
            }
        }
    });
}

fn rows_of(batch: &Value) -> Rows {
    let lists =
        |key: &str| -> Vec<Vec<u32>> { batch[key].as_array().unwrap().iter().map(ids).collect() };
    let mask: Vec<Vec<u8>> =
        lists("attention_mask").iter().map(|row| row.iter().map(|m| *m as u8).collect()).collect();
    Rows::from_mask(&lists("input_ids"), &mask)
}

fn query(temperature: &[f32]) -> HeadQuery<'_> {
    HeadQuery { needs: Needs::NONE, temperature, reference: None, coefficients: None }
}

/// Rows whose labels (unshifted, -100 ignored) are the targets.
fn labelled(rows: &Rows, labels: &Value) -> TokenBatch {
    let mut batch = TokenBatch { rows: rows.len(), width: rows.width(), ..Default::default() };
    for (row, tokens) in rows.as_slice().iter().enumerate() {
        batch.segments.push(Segment { tokens: tokens.clone(), parent: None });
        for position in 1..tokens.len() {
            if labels[row][position].as_i64() != Some(-100) {
                let target = Target { segment: row, position, row, column: position };
                batch.targets.push(target);
            }
        }
    }
    batch
}

#[test]
fn loss_and_gradient_norms() {
    each(|dir, decoder, reference| {
        let loss = &reference["loss"];
        let rows = rows_of(&reference[loss["batch"].as_str().unwrap()]);
        let batch = labelled(&rows, &loss["labels"]);
        let n = loss["n_targets"].as_f64().unwrap();
        assert_eq!(batch.targets.len() as f64, n);
        let mut learner = Learner::new(decoder.clone(), LearnerConfig::default());
        let temperature = vec![1.0; rows.len()];
        let report = learner
            .accumulate(&batch, &query(&temperature), &mut |stats| {
                Ok(Loss { total: stats.logprobs.sum() / -n, metrics: Vec::new() })
            })
            .unwrap();
        let relative = |ours: f64, theirs: f64, limit: f64, what: &str| {
            let gap = (ours - theirs).abs();
            assert!(
                gap < limit * theirs.abs() + 1e-6,
                "{what} of {}: {ours}, not {theirs}",
                dir.display()
            );
        };
        relative(report.total, loss["mean_cross_entropy"].as_f64().unwrap(), 1e-5, "loss");
        let norms = learner.gradient_norms().unwrap();
        let expected = loss["grad_norm_per_tensor"].as_object().unwrap();
        assert_eq!(norms.len(), expected.len());
        for (path, norm) in expected {
            relative(norms[path], norm.as_f64().unwrap(), 1e-4, path);
        }
        let global = learner.step(0.0).unwrap().grad_norm;
        relative(global, loss["grad_norm_global"].as_f64().unwrap(), 1e-4, "global norm");
    });
}
