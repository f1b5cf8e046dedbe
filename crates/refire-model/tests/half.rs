//! Training a decoder whose weights are in half precision.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::tensor::{DType, Device, Tensor};
use common::families::config;
use refire_core::Needs;
use refire_model::{
    Decoder, Family, Learner, LearnerConfig, MuonConfig, load_weights_as, save_weights,
};
use refire_objective::{Dtype, HeadQuery, Loss, Policy, TokenBatch};
use serde_json::json;
use std::path::Path;

/// A decoder in this format, begun at weights that bf16 can hold.
fn decoder(family: Family, dtype: Dtype) -> Decoder {
    let config = config(family, json!({}));
    let dir = tempfile::tempdir().unwrap();
    let exact = Decoder::init(&config, 4, &Device::flex());
    save_weights(&exact, dir.path(), Dtype::Bf16).unwrap();
    load_weights_as(dir.path(), &config, &Device::flex(), dtype).unwrap()
}

fn pass(learner: &mut Learner) -> f64 {
    let batch = TokenBatch::continuations([
        (&[1, 2, 3][..], &[4, 5, 6, 7][..]),
        (&[8, 9][..], &[10, 11, 12][..]),
    ]);
    let query = HeadQuery::new(Needs::NONE, &[1.0, 1.0]);
    let mut loss = |stats: refire_objective::TokenStats| {
        Ok(Loss { total: stats.logprobs.sum().neg(), metrics: vec![] })
    };
    learner.accumulate(&batch, &query, &mut loss).unwrap().total
}

fn state(learner: &Learner) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    learner.save_state(dir.path()).unwrap();
    files(dir.path())
}

fn files(dir: &Path) -> Vec<Vec<u8>> {
    let names = ["model.safetensors", "optimizer.safetensors", "learner.json"];
    names.iter().map(|name| std::fs::read(dir.join(name)).unwrap()).collect()
}

fn options(muon: bool) -> LearnerConfig {
    LearnerConfig { muon: muon.then(MuonConfig::default), ..LearnerConfig::default() }
}

#[test]
fn it_learns_as_it_does_in_32_bits() {
    for family in [Family::Llama, Family::Gemma2, Family::Qwen3] {
        let run = |dtype| {
            let mut learner = Learner::new(decoder(family, dtype), options(false));
            let losses = (0..30).map(|_| {
                let loss = pass(&mut learner);
                learner.step(1e-2).unwrap();
                loss
            });
            losses.collect::<Vec<f64>>()
        };
        let (half, full) = (run(Dtype::Bf16), run(Dtype::F32));
        println!("{family:?}: {half:?}\n{full:?}");
        assert!((half[0] - full[0]).abs() < 0.02 * full[0], "{family:?}");
        assert!(half[29] < 0.1 * half[0], "{family:?}: {} of {}", half[29], half[0]);
    }
}

/// Steps of a hundredth of the distance between numbers in bf16 that are as large as the weights.
#[test]
fn updates_far_below_its_resolution_are_not_lost() {
    for muon in [false, true] {
        let run = |dtype| {
            let mut learner = Learner::new(decoder(Family::Llama, dtype), options(muon));
            for _ in 0..200 {
                pass(&mut learner);
                learner.step(1e-5).unwrap();
            }
            learner
        };
        let start = weights(&Learner::new(decoder(Family::Llama, Dtype::F32), options(muon)));
        let (half, full) = (run(Dtype::Bf16), weights(&run(Dtype::F32)));
        let dir = tempfile::tempdir().unwrap();
        half.save_state(dir.path()).unwrap();
        let memory = tensors(&dir.path().join("optimizer.safetensors"));
        let masters = memory.iter().filter(|(name, _)| name.starts_with("master."));
        // Squares of the way in 32 bits, and of what lies between both ends.
        let (mut way, mut apart) = (0.0_f64, 0.0_f64);
        for (((path, start), (_, end)), (name, master)) in start.iter().zip(&full).zip(masters) {
            assert_eq!(&format!("master.{path}"), name);
            for ((start, end), master) in start.iter().zip(end).zip(master) {
                way += f64::from(end - start).powi(2);
                apart += f64::from(end - master).powi(2);
            }
        }
        let share = (apart / way).sqrt();
        let pairs = start.iter().zip(weights(&half)).map(|((_, a), (_, b))| (a.clone(), b));
        let pairs: Vec<(f32, f32)> = pairs.flat_map(|(a, b)| a.into_iter().zip(b)).collect();
        let moved = pairs.iter().filter(|(a, b)| a != b).count();
        println!("muon {muon}: ends {share:.3} of the way apart, {moved} of {} moved", pairs.len());
        // Gradients are made in bf16: their rounding is what sets the ends apart.
        assert!(share < 0.25, "muon {muon}: ends are {share} of the way apart");
        assert!(moved * 10 > pairs.len(), "muon {muon}: {moved} of {} moved", pairs.len());
    }
}

fn weights(learner: &Learner) -> Vec<(String, Vec<f32>)> {
    let dir = tempfile::tempdir().unwrap();
    learner.save_state(dir.path()).unwrap();
    tensors(&dir.path().join("model.safetensors"))
}

fn tensors(path: &Path) -> Vec<(String, Vec<f32>)> {
    let bytes = std::fs::read(path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let number = |b: &[u8]| f32::from_le_bytes(b.try_into().unwrap());
    let values = |data: &[u8]| data.chunks(4).map(number).collect();
    let mut all: Vec<_> =
        tensors.iter().map(|(name, view)| (name.to_owned(), values(view.data()))).collect();
    all.sort_by(|a: &(String, Vec<f32>), b| a.0.cmp(&b.0));
    all
}

#[test]
fn a_run_that_goes_on_from_its_state_is_the_same_bit_for_bit() {
    for (muon, dtype) in [(false, Dtype::Bf16), (true, Dtype::Bf16), (false, Dtype::F16)] {
        let new = || Learner::new(decoder(Family::Qwen3, dtype), options(muon));
        let (mut whole, dir) = (new(), tempfile::tempdir().unwrap());
        let go_on = |learner: &mut Learner| {
            for _ in 0..4 {
                pass(learner);
                learner.step(1e-4).unwrap();
            }
        };
        go_on(&mut whole);
        whole.save_state(dir.path()).unwrap();
        let mut resumed = new();
        // What a learner did before counts for nothing.
        pass(&mut resumed);
        resumed.step(1e-2).unwrap();
        resumed.load_state(dir.path()).unwrap();
        assert!(files(dir.path()) == state(&resumed), "what was saved is what was loaded");
        go_on(&mut whole);
        go_on(&mut resumed);
        assert!(state(&whole) == state(&resumed), "{dtype:?}, muon {muon}");
        let names = tensors(&dir.path().join("optimizer.safetensors"));
        let masters = names.iter().filter(|(name, _)| name.starts_with("master.")).count();
        let all = weights(&whole).len();
        assert_eq!(masters, all, "every parameter has a master");
        // Weights are rounded masters.
        let masters = names.iter().filter_map(|(n, v)| Some((n.strip_prefix("master.")?, v)));
        let format = if dtype == Dtype::Bf16 { DType::BF16 } else { DType::F16 };
        let saved = tensors(&dir.path().join("model.safetensors"));
        for ((name, master), (path, weight)) in masters.zip(saved) {
            assert_eq!(name, path);
            let master = Tensor::<1>::from_data(&master[..], &Device::flex());
            let rounded = master.cast(format).into_data().iter::<f32>().collect::<Vec<_>>();
            assert!(rounded == weight, "{name}");
        }
    }
}

#[test]
fn a_state_without_masters_and_one_of_another_format_are_refused() {
    let saved = |dtype| {
        let mut learner = Learner::new(decoder(Family::Llama, dtype), options(false));
        pass(&mut learner);
        learner.step(1e-3).unwrap();
        let dir = tempfile::tempdir().unwrap();
        learner.save_state(dir.path()).unwrap();
        (learner, dir)
    };
    let (mut half, of_half) = saved(Dtype::Bf16);
    let (mut full, of_full) = saved(Dtype::F32);
    let error = half.load_state(of_full.path()).unwrap_err().to_string();
    assert!(error.contains("no master for the parameter"), "{error}");
    let error = full.load_state(of_half.path()).unwrap_err().to_string();
    assert!(error.contains("half precision"), "{error}");
}

#[test]
fn gradients_of_several_batches_are_added_in_32_bits() {
    let mut learner = Learner::new(decoder(Family::Llama, Dtype::Bf16), options(false));
    pass(&mut learner);
    let path = "model.layers.0.mlp.up_proj.weight";
    let one = learner.gradient(path).unwrap();
    assert_eq!(one.dtype(), DType::BF16);
    for _ in 0..4 {
        pass(&mut learner);
    }
    let five = learner.gradient(path).unwrap();
    let expected = one.cast(DType::F32) * 5.0;
    let gap = (five - expected).abs().max().into_scalar::<f32>();
    assert!(gap < 1e-6, "{gap}");
    learner.step(1e-3).unwrap();
}
