//! Where the reference data lies, and what several tests look at.

#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

pub(crate) mod families;

use std::path::{Path, PathBuf};

/// A folder of the reference data, or `None` after saying that the test is skipped.
pub(crate) fn data(folder: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var("REFIRE_TEST_DATA").unwrap_or_else(|_| default.to_owned());
    let path = Path::new(&root).join(folder);
    if !path.exists() {
        println!("skipped: {} is not there (set REFIRE_TEST_DATA)", path.display());
        return None;
    }
    Some(path)
}

/// Every model folder whose name begins with `llama`.
pub(crate) fn llamas() -> Vec<PathBuf> {
    let Some(root) = data("golden/models") else { return Vec::new() };
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("llama"))
        .collect();
    folders.sort();
    folders
}

pub(crate) fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn floats(value: &serde_json::Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

pub(crate) fn ids(value: &serde_json::Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}
