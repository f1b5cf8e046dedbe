//! Every adapter of the reference against PEFT: logits, gradients, merged weights, decoding, and
//! the folder that is written again.
//!
//! The reference folder is `$REFIRE_TEST_DATA`, `../shared` by default.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../golden_models/engine.rs"]
mod engine;
mod files;
#[path = "../golden_models/gradients.rs"]
#[allow(dead_code, reason = "the models' test has more to check")]
mod gradients;
#[path = "../golden_models/logits.rs"]
#[allow(dead_code, reason = "the models' test has more to check")]
mod logits;
mod numbers;
#[path = "../golden_models/reference.rs"]
#[allow(dead_code, reason = "the models' test has more to check")]
mod reference;
#[path = "../golden_trainer/tally.rs"]
#[allow(dead_code, reason = "other tests skip files")]
mod tally;

use reference::{Model, json};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tally::Tally;

/// A model with an adapter, and what PEFT computed with it.
struct Adapted {
    dir: PathBuf,
    /// The model it belongs to.
    base: Model,
    /// The same with the adapter.
    model: Model,
    reference: Value,
}

impl Adapted {
    fn open(dir: &Path, golden: &Path) -> Self {
        let reference = json(&dir.join("reference.json"));
        let base = Model::open(&golden.join(reference["base"].as_str().unwrap()));
        let decoder = base.decoder.clone().with_adapter(dir).unwrap();
        let model = Model { dir: base.dir.clone(), decoder, reference: base.reference.clone() };
        Self { dir: dir.to_owned(), base, model, reference }
    }

    fn sequences(&self) -> &[Value] {
        self.reference["sequences"].as_array().unwrap()
    }
}

/// A check of one adapter; it panics where something is wrong.
type Check = fn(&Adapted);

/// What is checked of each adapter, by name.
const CHECKS: [(&str, Check); 8] = [
    ("logits and log-probabilities", numbers::logits),
    ("switched off", numbers::switched_off),
    ("merged", numbers::merged),
    ("loss and gradients", numbers::gradients),
    ("a step of training", numbers::training),
    ("the engine", |adapted| engine::check(&adapted.model)),
    ("files", files::written_again),
    ("a model it isn't for", files::another_model),
];

fn main() -> ExitCode {
    let folder = reference::folder().and_then(|models| models.parent().map(Path::to_owned));
    let Some(golden) = folder.filter(|golden| golden.join("peft").is_dir()) else {
        println!("golden peft: skipped, there is no reference data");
        return ExitCode::SUCCESS;
    };
    let mut tally = Tally::default();
    for dir in adapters(&golden.join("peft")) {
        let name = dir.strip_prefix(&golden).unwrap().display().to_string();
        tally.case(&name, || {
            let adapted = Adapted::open(&dir, &golden);
            for (what, check) in CHECKS {
                println!("{name}: {what}");
                check(&adapted);
            }
        });
    }
    println!("golden peft: {tally}");
    if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every folder with an adapter, at any depth.
fn adapters(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    let found = folders.into_iter().flat_map(|folder| {
        if folder.join("adapter_config.json").exists() { vec![folder] } else { adapters(&folder) }
    });
    found.collect()
}
