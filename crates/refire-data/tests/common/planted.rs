//! The reference corpus: made-up documents with copies, changed copies and leaks planted in them,
//! by the script among the reference data.

use serde::Deserialize;
use std::path::PathBuf;
use std::process::Command;

/// A document of the corpus.
#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    pub(crate) text: String,
    /// `unique`, `exact`, `near` or `contam`.
    pub(crate) kind: String,
    /// The document it copies, or the question that leaked into it; -1 without either.
    pub(crate) src: i64,
    /// Share of words changed.
    pub(crate) edit: f64,
}

fn data() -> PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    std::env::var_os("REFIRE_TEST_DATA").map_or_else(|| beside.into(), PathBuf::from)
}

/// The corpus of 20,000 documents and the benchmark's questions; `None` (and a line that says so)
/// without the script or a Python to run it.
pub(crate) fn planted() -> Option<(Vec<Document>, Vec<String>)> {
    let (script, benchmark) =
        (data().join("tools/corpus.py"), data().join("data/gsm8k_test.jsonl"));
    if !script.is_file() || !benchmark.is_file() {
        println!("skipped: there is no {}", script.display());
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("corpus.jsonl");
    let made = Command::new("python3")
        .arg(script)
        .args(["20000".as_ref(), path.as_os_str(), "--bench".as_ref(), benchmark.as_os_str()])
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: no python3 makes the corpus");
        return None;
    }
    let text = std::fs::read_to_string(path).unwrap();
    let documents = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let questions = std::fs::read_to_string(benchmark).unwrap();
    let question = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        row["question"].as_str().unwrap().to_owned()
    };
    Some((documents, questions.lines().map(question).collect()))
}
