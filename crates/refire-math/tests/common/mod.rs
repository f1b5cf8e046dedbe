//! What several tests of the corpora share.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// Every row of `<data>/<folder>/<prefix>*.jsonl`; none, with a word about it, without the folder.
pub(crate) fn rows(folder: &str, prefix: &str) -> Vec<Value> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into();
    let root: PathBuf = std::env::var("REFIRE_TEST_DATA").unwrap_or(default).into();
    let Ok(entries) = fs::read_dir(root.join(folder)) else {
        println!("skipped: no folder {}", root.join(folder).display());
        return Vec::new();
    };
    let mut rows = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with(prefix) && name.ends_with(".jsonl") {
            let text = fs::read_to_string(&path).unwrap();
            rows.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
    }
    rows
}

pub(crate) fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or("")
}
