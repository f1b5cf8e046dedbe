//! A whole model by kernels and by the composition of burn's operations, which 64-bit tensors take.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor};
use common::families::configs;
use refire_core::Needs;
use refire_model::{Decoder, Learner, LearnerConfig};
use refire_objective::{HeadQuery, Loss, Policy, TokenBatch};
use std::collections::BTreeMap;

/// The same numbers in 64 bits.
struct Widen;

impl ModuleMapper for Widen {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|x| x.cast(DType::F64))
    }
}

fn tokens(count: usize, seed: usize) -> Vec<u32> {
    (0..count).map(|i| ((i * 17 + seed * 29 + i * i * seed) % 61) as u32).collect()
}

/// A group with a prompt in common, and a row of its own.
fn batch() -> TokenBatch {
    let (prompt, other) = (tokens(7, 1), tokens(3, 2));
    let completions = [tokens(9, 3), tokens(1, 4), tokens(5, 5)];
    let [a, b, c] = &completions;
    let rows = [(&prompt, a), (&prompt, b), (&other, c)];
    TokenBatch::shared(rows.map(|(prompt, completion)| (&prompt[..], &completion[..])))
}

struct Found {
    loss: f64,
    gradients: BTreeMap<String, (DType, Vec<f64>)>,
}

fn run(decoder: Decoder, recompute: bool) -> Found {
    let config = LearnerConfig {
        gradient_checkpointing: recompute,
        router_aux_loss_coef: Some(0.1),
        ..LearnerConfig::default()
    };
    let mut learner = Learner::new(decoder, config);
    let batch = batch();
    let temperature: Vec<f32> = (0..batch.rows).map(|row| 0.75 + 0.25 * row as f32).collect();
    let needs = Needs { entropy: true, sum_sq: true, mean_logprob: true, ..Needs::NONE };
    let query = HeadQuery::new(needs, &temperature);
    let report = learner.accumulate(&batch, &query, &mut |stats| {
        let logprobs = stats.logprobs;
        let others = stats.entropy.unwrap() * 0.5 + stats.sum_sq.unwrap() * 2.0;
        let total = logprobs.clone() * logprobs + others - stats.mean_logprob.unwrap() * 0.1;
        Ok(Loss { total: total.sum(), metrics: Vec::new() })
    });
    let gradient = |path: String| {
        let grad = learner.gradient(&path).unwrap();
        (path, (grad.dtype(), grad.into_data().iter::<f64>().collect()))
    };
    let gradients = learner.gradient_norms().unwrap().into_keys().map(gradient).collect();
    Found { loss: report.unwrap().total, gradients }
}

#[test]
fn kernels_and_composition_agree_in_loss_and_in_every_gradient() {
    let mut greatest = (0.0_f64, 0.0_f64);
    for config in configs() {
        println!("{:?}", config.family);
        let decoder = Decoder::init(&config, 4, &Device::flex());
        let exact = run(decoder.clone().map(&mut Widen), false);
        for recompute in [false, true] {
            let fused = run(decoder.clone(), recompute);
            let apart = (fused.loss - exact.loss).abs() / exact.loss.abs();
            assert!(apart < 1e-5, "loss {}, in 64 bits {}", fused.loss, exact.loss);
            greatest.0 = greatest.0.max(apart);
            let paths = |found: &Found| found.gradients.keys().cloned().collect::<Vec<_>>();
            assert_eq!(paths(&fused), paths(&exact));
            for (path, (dtype, expected)) in &exact.gradients {
                assert_eq!(*dtype, DType::F64, "{path} has no gradient in 64 bits");
                let (dtype, found) = &fused.gradients[path];
                assert_eq!(*dtype, DType::F32, "{path}");
                assert_eq!(found.len(), expected.len(), "{path}");
                let size = expected.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
                assert!(size > 0.0 || path.contains("experts"), "{path} has a gradient of 0");
                for (a, b) in found.iter().zip(expected) {
                    assert!((a - b).abs() <= 1e-5 * size, "{path}: {a}, expected {b} of {size}");
                    if size > 0.0 {
                        greatest.1 = greatest.1.max((a - b).abs() / size);
                    }
                }
            }
        }
    }
    println!("at most {:.1e} apart in loss, {:.1e} in a gradient", greatest.0, greatest.1);
}
