use super::alignment::project;
use super::*;
use crate::weights::TensorFiles;
use crate::{Decoder, Learner, LearnerConfig, ModelError, TinyLlama};
use burn::tensor::Device;
use refire_core::{Purpose, Stream};
use refire_objective::{Dtype, Policy};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn shape() -> TinyLlama {
    TinyLlama { vocab_size: 20, hidden_size: 16, intermediate_size: 24, ..TinyLlama::default() }
}

/// Folders of models with random weights, one for each seed.
fn models(seeds: &[u64]) -> (TempDir, Vec<PathBuf>) {
    let root = tempfile::tempdir().expect("a folder");
    let dirs = seeds.iter().enumerate().map(|(index, seed)| {
        let dir = root.path().join(format!("model{index}"));
        export(&shape(), *seed, &dir);
        dir
    });
    let dirs = dirs.collect();
    (root, dirs)
}

fn export(shape: &TinyLlama, seed: u64, dir: &Path) {
    let decoder = Decoder::init(&shape.config(), seed, &Device::flex());
    Learner::new(decoder, LearnerConfig::default()).export(dir, Dtype::F32).expect("written");
}

type Weights = BTreeMap<String, Vec<f32>>;

fn weights(dir: &Path) -> Weights {
    let files = TensorFiles::open_model(dir).expect("open");
    let tensors = files.tensors().expect("parsed");
    let values = |name: &str| tensors.values(name, &tensors.shape(name).expect("there"));
    tensors.names().map(|name| (name.to_owned(), values(name).expect("read"))).collect()
}

fn gap(a: &Weights, b: &Weights) -> f32 {
    assert!(a.keys().eq(b.keys()));
    let pairs = a.values().flatten().zip(b.values().flatten());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn options() -> MergeOptions {
    MergeOptions::default()
}

#[test]
fn a_mean_of_equal_models_is_the_model_and_it_is_a_folder() {
    let (root, dirs) = models(&[1, 1, 1]);
    std::fs::write(dirs[0].join("tokenizer.json"), "{}").expect("written");
    let out = root.path().join("out");
    let dirs: Vec<&Path> = dirs.iter().map(PathBuf::as_path).collect();
    average(&dirs, &out, &options()).expect("merged");
    assert_eq!(weights(&out), weights(dirs[0]));
    linear(&[(dirs[0], 0.3), (dirs[1], -1.7), (dirs[2], 2.0)], &out, &options()).expect("merged");
    assert_eq!(weights(&out), weights(dirs[0]));
    assert!(out.join("tokenizer.json").exists());
    let config = crate::ModelConfig::read(&out).expect("a configuration");
    crate::load_weights(&out, &config, &Device::flex()).expect("a model");
}

#[test]
fn a_mean_is_the_mean_whatever_the_order_and_in_any_format() {
    let (root, dirs) = models(&[1, 2]);
    let out = root.path().join("out");
    linear(&[(&dirs[0], 3.0), (&dirs[1], 1.0)], &out, &options()).expect("merged");
    let [a, b, mean] = [&dirs[0], &dirs[1], &out].map(|dir| weights(dir));
    for (name, values) in &mean {
        for (value, (a, b)) in values.iter().zip(a[name].iter().zip(&b[name])) {
            assert!((value - (0.75 * a + 0.25 * b)).abs() < 1e-7, "{name}");
        }
    }
    linear(&[(&dirs[1], 0.5), (&dirs[0], 1.5)], &out, &options()).expect("merged");
    assert_eq!(weights(&out), mean);
    let half = MergeOptions { dtype: Dtype::Bf16, shard_bytes: 3000 };
    linear(&[(&dirs[1], 1.0), (&dirs[0], 3.0)], &out, &half).expect("merged");
    assert!(out.join("model.safetensors.index.json").exists());
    assert!(!out.join("model.safetensors").exists(), "the earlier file is gone");
    assert!(gap(&weights(&out), &mean) < 0.001);
}

#[test]
fn an_arc_begins_and_ends_at_the_models_and_keeps_the_length() {
    let (root, dirs) = models(&[1, 2]);
    let out = root.path().join("out");
    let at = |t: f64| {
        slerp(&dirs[0], &dirs[1], t, &out, &options()).expect("merged");
        weights(&out)
    };
    let [a, b] = [&dirs[0], &dirs[1]].map(|dir| weights(dir));
    assert!(gap(&at(0.0), &a) < 1e-7 && gap(&at(1.0), &b) < 1e-7);
    let middle = at(0.5);
    let length = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    for (name, values) in &middle {
        // Between orthogonal vectors of nearly equal lengths, the mean would be shorter by 0.7.
        let ends = (length(&a[name]) + length(&b[name])) / 2.0;
        assert!((length(values) / ends - 1.0).abs() < 0.02, "{name}");
    }
    slerp(&dirs[0], &dirs[0], 0.3, &out, &options()).expect("merged");
    assert!(gap(&weights(&out), &a) < 1e-7, "parallel");
}

#[test]
fn what_a_task_vector_adds_it_takes_away() {
    let (root, dirs) = models(&[1, 2, 3]);
    let [with, without] = ["with", "without"].map(|name| root.path().join(name));
    let [base, a, b] = [0, 1, 2].map(|index| &*dirs[index]);
    add_task_vectors(base, &[(a, 1.0)], &with, &options()).expect("merged");
    assert_eq!(weights(&with), weights(a));
    // base + (a - base) + (b - base), from which (a - base) is taken away again.
    add_task_vectors(base, &[(a, 1.0), (b, 1.0)], &with, &options()).expect("merged");
    let [base_weights, a_weights, b_weights, sum] = [base, a, b, &with].map(weights);
    for (name, values) in &sum {
        for (index, value) in values.iter().enumerate() {
            let base = base_weights[name][index];
            assert!(
                (value - (a_weights[name][index] + b_weights[name][index] - base)).abs() < 1e-6
            );
        }
    }
    add_task_vectors(base, &[(&with, 1.0), (a, -1.0)], &without, &options()).expect("merged");
    assert!(gap(&weights(&without), &b_weights) < 1e-6);
    add_task_vectors(base, &[], &without, &options()).expect("merged");
    assert_eq!(weights(&without), base_weights);
}

fn random(count: usize, id: u64) -> Vec<f32> {
    let mut stream = Stream::new(7, Purpose::INIT, 0, id, 0);
    (0..count).map(|_| stream.normal() as f32).collect()
}

/// A matrix of a low rank.
fn of_rank(rank: usize, [rows, columns]: [usize; 2], id: u64) -> Vec<f32> {
    let (left, right) = (random(rows * rank, id), random(rank * columns, id + 1));
    let cell = |index: usize| {
        let (row, column) = (index / columns, index % columns);
        (0..rank).map(|k| left[row * rank + k] * right[k * columns + column]).sum()
    };
    (0..rows * columns).map(cell).collect()
}

fn close(a: &[f32], b: &[f32], limit: f32) {
    assert_eq!(a.len(), b.len());
    let gap = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(gap < limit, "{gap}");
}

#[test]
fn the_orthogonal_projection_is_idempotent_and_keeps_what_is_in_its_space() {
    for shape in [[9, 14], [14, 9], [12, 12]] {
        let directions = of_rank(3, shape, 10);
        let onto = |change: &[f32]| {
            let kind = Projection::Orthogonal;
            project("w", &directions, change, shape, kind, &Device::flex()).expect("projected")
        };
        let change = random(shape[0] * shape[1], 20);
        let once = onto(&change);
        close(&onto(&once), &once, 1e-5);
        let norm = |values: &[f32]| values.iter().map(|v| v * v).sum::<f32>();
        assert!(norm(&once) < 0.6 * norm(&change), "only a part of a random change remains");
        // The directions themselves are left as they are.
        close(&onto(&directions), &directions, 1e-4);
    }
    // Of full rank, everything is left as it is.
    let (shape, change) = ([6, 8], random(48, 21));
    let kind = Projection::Orthogonal;
    let kept = project("w", &random(48, 22), &change, shape, kind, &Device::flex());
    close(&kept.expect("projected"), &change, 1e-4);
}

#[test]
fn the_fast_projection_is_its_formula_in_either_order_of_products() {
    for [rows, columns] in [[5, 8], [8, 5]] {
        let (v, d) = (random(rows * columns, 1), random(rows * columns, 2));
        let norm = v.iter().map(|x| x * x).sum::<f32>().sqrt();
        let gram = |i: usize, j: usize| -> f32 {
            (0..columns).map(|k| v[i * columns + k] * v[j * columns + k]).sum()
        };
        let cell = |index: usize| -> f32 {
            let (row, column) = (index / columns, index % columns);
            (0..rows).map(|j| gram(row, j) * d[j * columns + column]).sum::<f32>() / norm
        };
        let expected: Vec<f32> = (0..rows * columns).map(cell).collect();
        let kind = Projection::Fast;
        let ours = project("w", &v, &d, [rows, columns], kind, &Device::flex());
        close(&ours.expect("projected"), &expected, 1e-4);
    }
}

/// Base, aligned, tuned and safe models.
fn safe_models() -> (TempDir, Vec<PathBuf>) {
    models(&[1, 2, 3, 4])
}

fn folders(dirs: &[PathBuf]) -> SafeFolders<'_> {
    SafeFolders { base: &dirs[0], aligned: &dirs[1], tuned: &dirs[2] }
}

#[test]
fn safe_lora_replaces_changes_below_the_threshold_only() {
    let (root, dirs) = safe_models();
    let out = root.path().join("out");
    let run = |config: &SafeLora| {
        let device = Device::flex();
        let found = safe_lora(folders(&dirs), config, &out, &options(), &device).expect("merged");
        (found, weights(&out))
    };
    let [aligned, tuned] = [1, 2].map(|model| weights(&dirs[model]));
    let (found, kept) = run(&SafeLora { threshold: -1.0, ..SafeLora::default() });
    assert_eq!(kept, tuned, "no cosine is below -1");
    assert_eq!(found.len(), 2 * 7, "matrices of two layers");
    assert!(found.is_sorted_by(|a, b| a.tensor < b.tensor));
    assert!(found.iter().all(|one| one.cosine.is_some_and(|c| (-1.0..=1.0).contains(&c))));

    let targets = vec!["q_proj".to_owned()];
    let all = SafeLora { threshold: 1.0, targets, projection: Projection::Orthogonal };
    let (found, projected) = run(&all);
    assert_eq!(found.len(), 2);
    for (name, values) in &projected {
        let target = name.contains("q_proj");
        assert!(target || *values == tuned[name], "{name} is the tuned model's");
    }
    // Where alignment changed all directions, its projection changes nothing.
    assert!(gap(&projected, &tuned) < 1e-4);

    // Twice is once: what is left lies in the space already.
    let between = run(&SafeLora { threshold: 0.5, ..SafeLora::default() });
    for one in &between.0 {
        let changed = between.1[&one.tensor] != tuned[&one.tensor];
        assert_eq!(one.replaced, changed, "{}", one.tensor);
        assert_eq!(one.replaced, one.cosine.expect("changed") < 0.5);
        assert!(between.1[&one.tensor] != aligned[&one.tensor]);
    }
}

#[test]
fn a_matrix_that_alignment_left_as_it_was_is_kept() {
    let (root, dirs) = models(&[1, 1, 3]);
    let (out, device) = (root.path().join("out"), Device::flex());
    let config = SafeLora { threshold: 1.0, ..SafeLora::default() };
    let found = safe_lora(folders(&dirs), &config, &out, &options(), &device).expect("merged");
    assert!(found.iter().all(|one| one.cosine.is_none() && !one.replaced));
    assert_eq!(weights(&out), weights(&dirs[2]));
}

#[test]
fn safe_merge_mixes_in_the_safe_model_where_changes_are_below_the_threshold() {
    let (root, dirs) = safe_models();
    let out = root.path().join("out");
    let run = |threshold: f64, tuned_weight: f64| {
        let config = SafeMerge { threshold, tuned_weight, ..SafeMerge::default() };
        let device = Device::flex();
        let found = safe_merge(folders(&dirs), &dirs[3], &config, &out, &options(), &device);
        (found.expect("merged"), weights(&out))
    };
    let [tuned, safe] = [2, 3].map(|model| weights(&dirs[model]));
    assert_eq!(run(-1.0, 0.0).1, tuned);
    let (found, mixed) = run(1.0, 0.25);
    for (name, values) in &mixed {
        let replaced = found.iter().any(|one| one.tensor == *name && one.replaced);
        assert_eq!(replaced, name.contains("_proj"), "{name}");
        for ((value, tuned), safe) in values.iter().zip(&tuned[name]).zip(&safe[name]) {
            let expected = if replaced { 0.25 * tuned + 0.75 * safe } else { *tuned };
            assert!((value - expected).abs() < 1e-6, "{name}");
        }
    }
    assert!(gap(&run(1.0, 1.0).1, &tuned) < 1e-6, "all of it is the tuned model's");
}

#[test]
fn what_does_not_fit_is_named() {
    let (root, dirs) = models(&[1, 2]);
    let (out, other) = (root.path().join("out"), root.path().join("other"));
    export(&TinyLlama { intermediate_size: 32, ..shape() }, 3, &other);
    let error = average(&[&dirs[0], &other], &out, &options()).expect_err("refused");
    assert!(matches!(error, ModelError::OtherModel { .. }), "{error}");
    assert!(error.to_string().contains("other/config.json"), "{error}");
    let fails = [
        average(&[], &out, &options()),
        linear(&[(&dirs[0], 1.0), (&dirs[1], -1.0)], &out, &options()),
        linear(&[(&dirs[0], f64::NAN)], &out, &options()),
        slerp(&dirs[0], &dirs[1], 1.5, &out, &options()),
        add_task_vectors(&dirs[0], &[(&dirs[1], f64::INFINITY)], &out, &options()),
    ];
    for (result, field) in fails.into_iter().zip(["models", "weights", "weights", "`t`", "scale"]) {
        let error = result.expect_err("refused").to_string();
        assert!(error.contains(field) && error.contains("expected"), "{error}");
    }
    // The same configuration, and weights of another shape.
    std::fs::copy(other.join("model.safetensors"), dirs[1].join("model.safetensors"))
        .expect("copied");
    let error = average(&[&dirs[0], &dirs[1]], &out, &options()).expect_err("refused").to_string();
    assert!(
        error.contains("model1") && error.contains("mlp") && error.contains("[16, 32]"),
        "{error}"
    );
    assert!(!out.exists(), "nothing is written before everything fits");
}
