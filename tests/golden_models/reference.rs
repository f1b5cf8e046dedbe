use refire::burn::tensor::{Device, Tensor};
use refire::core::Needs;
use refire::model::{Decoder, Learner, LearnerConfig, ModelConfig, load_weights};
use refire::objective::HeadQuery;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The golden models' folder, if there is one.
pub(crate) fn folder() -> Option<PathBuf> {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into();
    let root = std::env::var_os("REFIRE_TEST_DATA").map_or_else(beside, PathBuf::from);
    Some(root.join("golden/models")).filter(|path| path.is_dir())
}

/// Every folder with a configuration.
pub(crate) fn models(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> =
        entries.filter(|path| path.join("config.json").exists()).collect();
    folders.sort();
    folders
}

/// A model and what transformers computed with it.
pub(crate) struct Model {
    pub(crate) dir: PathBuf,
    pub(crate) decoder: Decoder,
    pub(crate) reference: Value,
}

impl Model {
    pub(crate) fn open(dir: &Path) -> Self {
        let config = ModelConfig::read(dir).unwrap();
        let decoder = load_weights(dir, &config, &Device::flex()).unwrap();
        Self { dir: dir.to_owned(), decoder, reference: json(&reference(dir)) }
    }

    pub(crate) fn sequences(&self) -> &[Value] {
        self.reference["sequences"].as_array().unwrap()
    }

    pub(crate) fn learner(&self) -> Learner {
        Learner::new(self.decoder.clone(), LearnerConfig::default())
    }
}

/// A folder's own reference; else that of the folder whose name it continues, which holds the same
/// model in other files.
fn reference(dir: &Path) -> PathBuf {
    let own = dir.join("reference.json");
    if own.exists() {
        return own;
    }
    let name = dir.file_name().unwrap().to_string_lossy().into_owned();
    let others = models(dir.parent().unwrap()).into_iter();
    let continued = others.filter(|other| {
        let other = format!("{}_", other.file_name().unwrap().to_string_lossy());
        name.starts_with(&other)
    });
    let found = continued.map(|other| other.join("reference.json")).filter(|path| path.exists());
    found.max().unwrap_or_else(|| panic!("{} has no reference", dir.display()))
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

pub(crate) fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Equal up to 1e-4.
pub(crate) fn close(ours: &[f64], theirs: &[f64], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() < 1e-4, "{what}, value {i}: {a} instead of {b}");
    }
}

/// Equal up to a fraction, or 1e-6.
pub(crate) fn relative(ours: f64, theirs: f64, limit: f64, what: &str) {
    assert!((ours - theirs).abs() < limit * theirs.abs() + 1e-6, "{what}: {ours}, not {theirs}");
}

pub(crate) fn query(temperature: &[f32]) -> HeadQuery<'_> {
    HeadQuery::new(Needs::NONE, temperature)
}
