use crate::reference::{Model, ids, values};
use refire::burn::tensor::Device;
use refire::model::{ModelConfig, load_weights, load_weights_as, save_weights_in_shards};
use refire::objective::{Dtype, Policy};
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::Path;

/// A written folder holds the same tensors under the same names, in one file or in shards.
pub(crate) fn check(model: &Model) {
    let to = tempfile::tempdir().unwrap();
    let learner = model.learner();
    learner.export(to.path(), Dtype::F32).unwrap();
    let written = shapes(to.path());
    if let Some(theirs) = model.reference["tensors_on_disk"].as_object() {
        let theirs: BTreeMap<String, Vec<usize>> = theirs
            .iter()
            .map(|(name, shape)| (name.clone(), ids(shape).iter().map(|n| *n as usize).collect()))
            .collect();
        assert_eq!(written, theirs, "tensors on disk");
    }
    let parameters: usize = written.values().map(|shape| shape.iter().product::<usize>()).sum();
    assert_eq!(parameters, model.decoder.config.parameters(), "parameters");
    let tokens = ids(&model.sequences()[1]["input_ids"]);
    let same = |what: &str| {
        let config = ModelConfig::read(to.path()).unwrap();
        let again = load_weights(to.path(), &config, &Device::flex()).unwrap();
        let logits = |decoder: &refire::model::Decoder| values(decoder.logits(&tokens).unwrap());
        assert_eq!(logits(&again), logits(&model.decoder), "{what}");
    };
    same("one file");
    save_weights_in_shards(&model.decoder, to.path(), Dtype::F32, 4 * parameters as u64 / 3)
        .unwrap();
    let files = std::fs::read_dir(to.path()).unwrap().count();
    assert!(files > 5, "{files} files in place of shards, their index and two configurations");
    same("shards");
    assert_eq!(shapes(to.path()), written, "tensors in shards");
    half(model, to.path(), &tokens);
}

/// Kept in half precision, the model is nearly the same.
fn half(model: &Model, dir: &Path, tokens: &[u32]) {
    let config = &model.decoder.config;
    let exact = values(model.decoder.logits(tokens).unwrap());
    let scale = exact.iter().map(|x| x.abs()).fold(0.0, f64::max);
    let loaded = load_weights_as(dir, config, &Device::flex(), Dtype::Bf16).unwrap();
    let rounded = values(loaded.logits(tokens).unwrap());
    let gaps: Vec<f64> = exact.iter().zip(&rounded).map(|(a, b)| (a - b).abs()).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    assert!(mean > 0.0 && mean < 0.02 * scale, "mean gap {mean} of logits up to {scale}");
}

/// Names and shapes of all tensors of a folder.
fn shapes(dir: &Path) -> BTreeMap<String, Vec<usize>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            let bytes = std::fs::read(&path).unwrap();
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            let shapes =
                tensors.iter().map(|(name, view)| (name.to_owned(), view.shape().to_vec()));
            found.extend(shapes);
        }
    }
    found
}
