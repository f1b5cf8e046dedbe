//! Folders of weights that don't fit say what is wrong, and where.

#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::Device;
use refire_model::{
    Decoder, ModelConfig, ModelError, TinyLlama, load_weights, save_weights, save_weights_in_shards,
};
use refire_objective::Dtype;
use safetensors::tensor::{Dtype as Format, SafeTensors, TensorView};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const INDEX: &str = "model.safetensors.index.json";

fn decoder() -> Decoder {
    Decoder::init(&TinyLlama::default().config(), 3, &Device::flex())
}

fn error(dir: &Path, config: &ModelConfig) -> ModelError {
    load_weights(dir, config, &Device::flex()).unwrap_err()
}

/// A folder in shards, and its index.
fn sharded(dir: &Path) -> (ModelConfig, Value) {
    let decoder = decoder();
    save_weights_in_shards(&decoder, dir, Dtype::F32, 200_000).unwrap();
    let index = serde_json::from_slice(&fs::read(dir.join(INDEX)).unwrap()).unwrap();
    (decoder.config, index)
}

fn shards(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".safetensors")).collect();
    names.sort();
    names
}

#[test]
fn shards_hold_all_tensors_within_their_limit_and_replace_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    save_weights(&decoder(), dir.path(), Dtype::F32).unwrap();
    let (config, index) = sharded(dir.path());
    let several = shards(dir.path());
    assert!(several.len() > 2 && !several.contains(&"model.safetensors".to_owned()), "{several:?}");
    let mut bytes = 0;
    for name in &several {
        let file = fs::read(dir.path().join(name)).unwrap();
        let tensors = SafeTensors::deserialize(&file).unwrap();
        let size: usize = tensors.iter().map(|(_, view)| view.data().len()).sum();
        assert!(size <= 200_000, "{name}: {size}");
        assert!(tensors.names().iter().all(|tensor| index["weight_map"][tensor] == **name));
        bytes += size;
    }
    assert_eq!(index["metadata"]["total_size"], bytes);
    assert_eq!(index["metadata"]["total_parameters"], config.parameters());
    load_weights(dir.path(), &config, &Device::flex()).unwrap();
    save_weights(&decoder(), dir.path(), Dtype::F32).unwrap();
    assert_eq!(shards(dir.path()), ["model.safetensors"]);
    assert!(!dir.path().join(INDEX).exists());
}

#[test]
fn a_tensor_in_another_shard_than_the_index_says() {
    let dir = tempfile::tempdir().unwrap();
    let (config, mut index) = sharded(dir.path());
    let (tensor, last) = ("model.embed_tokens.weight", shards(dir.path()).pop().unwrap());
    index["weight_map"][tensor] = json!(last);
    fs::write(dir.path().join(INDEX), index.to_string()).unwrap();
    let error = error(dir.path(), &config);
    assert!(matches!(error, ModelError::WrongShard { .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains(INDEX) && error.contains(tensor) && error.contains(&last), "{error}");
}

#[test]
fn a_shard_that_is_not_there_or_not_in_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (config, mut index) = sharded(dir.path());
    let first = shards(dir.path()).remove(0);
    fs::remove_file(dir.path().join(&first)).unwrap();
    assert!(error(dir.path(), &config).to_string().contains(&first));
    index["weight_map"]["model.norm.weight"] = json!("../elsewhere.safetensors");
    fs::write(dir.path().join(INDEX), index.to_string()).unwrap();
    let error = error(dir.path(), &config).to_string();
    assert!(error.contains("weight_map") && error.contains("../elsewhere"), "{error}");
}

/// Writes the decoder's file again with other tensors.
fn rewrite(dir: &Path, change: impl Fn(&str, &TensorView<'_>) -> Option<(String, Format)>) {
    let path = dir.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut views = Vec::new();
    for (name, view) in tensors.iter() {
        let Some((name, format)) = change(name, &view) else { continue };
        views.push((name, TensorView::new(format, view.shape().to_vec(), view.data()).unwrap()));
    }
    let written = safetensors::serialize(views, None).unwrap();
    fs::write(&path, written).unwrap();
}

#[test]
fn tensors_that_are_missing_unknown_or_of_another_format() {
    let dir = tempfile::tempdir().unwrap();
    let config = decoder().config;
    let tensor = "model.layers.1.mlp.up_proj.weight";
    let fresh = || save_weights(&decoder(), dir.path(), Dtype::F32).unwrap();
    fresh();
    rewrite(dir.path(), |name, view| (name != tensor).then(|| (name.to_owned(), view.dtype())));
    let missing = error(dir.path(), &config).to_string();
    assert!(missing.contains(tensor) && missing.contains("missing"), "{missing}");
    fresh();
    rewrite(dir.path(), |name, view| {
        let name = if name == tensor { "model.extra.weight" } else { name };
        Some((name.to_owned(), view.dtype()))
    });
    assert!(error(dir.path(), &config).to_string().contains(tensor));
    fresh();
    rewrite(dir.path(), |name, view| {
        Some((name.to_owned(), if name == tensor { Format::I32 } else { view.dtype() }))
    });
    let format = error(dir.path(), &config).to_string();
    assert!(format.contains(tensor) && format.contains("I32"), "{format}");
}

#[test]
fn a_tied_head_that_is_stored_must_equal_the_embedding() {
    let dir = tempfile::tempdir().unwrap();
    let tied = decoder().config;
    let untied = ModelConfig { tie_word_embeddings: false, ..tied.clone() };
    let own = Decoder::init(&untied, 3, &Device::flex());
    save_weights(&own, dir.path(), Dtype::F32).unwrap();
    let refused = error(dir.path(), &tied);
    assert!(matches!(refused, ModelError::HeadNotTied { .. }), "{refused}");
    assert!(refused.to_string().contains("model.safetensors"));
    // The same tensor twice, as some files have it.
    let path = dir.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let views: Vec<_> = tensors
        .names()
        .into_iter()
        .map(|name| {
            let from = if name == "lm_head.weight" { "model.embed_tokens.weight" } else { name };
            (name.to_owned(), tensors.tensor(from).unwrap())
        })
        .collect();
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    load_weights(dir.path(), &tied, &Device::flex()).unwrap();
}
