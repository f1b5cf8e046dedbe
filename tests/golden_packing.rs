//! Packing equals TRL's `pack_dataset` on recorded cases, errors included.
#![allow(clippy::unwrap_used, clippy::panic)]

use refire_data::{DataError, Strategy, pack};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    config: Config,
    inputs: BTreeMap<String, Vec<Vec<i64>>>,
    outputs: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Config {
    strategy: String,
    seq_length: usize,
}

/// What the library gives for a case, by the names of the recorded columns.
fn packed(case: &Case) -> Result<BTreeMap<String, Value>, String> {
    let strategy: Strategy =
        serde_json::from_value(case.config.strategy.clone().into()).map_err(|e| e.to_string())?;
    let first = case.inputs.values().next().ok_or("no column")?;
    let lengths: Vec<usize> = first.iter().map(Vec::len).collect();
    let text = |error: DataError| error.to_string();
    let plan = pack(&lengths, case.config.seq_length, strategy).map_err(text)?;
    let mut outputs = BTreeMap::new();
    for (name, column) in &case.inputs {
        outputs.insert(name.clone(), plan.gather(column).map_err(text)?.into());
    }
    if strategy != Strategy::Wrapped {
        outputs.insert("seq_lengths".to_owned(), plan.seq_lengths().into());
        outputs.insert("position_ids".to_owned(), plan.position_ids().into());
    }
    Ok(outputs)
}

fn check(case: &Case) -> Result<(), String> {
    match (packed(case), case.outputs.contains_key("error")) {
        (Err(_), true) => Ok(()),
        (Ok(_), true) => Err(format!("expected an error: {}", case.outputs["error"])),
        (Err(error), false) => Err(format!("unexpected error: {error}")),
        (Ok(found), false) if found == case.outputs => Ok(()),
        (Ok(found), false) => Err(format!("found {found:?}, expected {:?}", case.outputs)),
    }
}

fn main() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("REFIRE_TEST_DATA").map_or_else(|| beside.into(), PathBuf::from);
    let path = root.join("golden/sft/packing.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("golden packing: skipped, there is no {}", path.display());
        return;
    };
    let file: File = serde_json::from_str(&text).unwrap();
    let mut failed = 0;
    for case in &file.cases {
        if let Err(reason) = check(case) {
            println!("{}: {reason}", case.name);
            failed += 1;
        }
    }
    println!("golden packing: {} passed, {failed} failed, 0 skipped", file.cases.len() - failed);
    if failed > 0 || file.cases.is_empty() {
        std::process::exit(1);
    }
}
