//! Policy-gradient methods against vectors that the peers' own code produced: values, gradients and
//! metrics of every case of every file under `golden/policy`, in 64 bits.
//!
//! `REFIRE_TEST_DATA` names the folder that holds `golden`; without it the folder `shared` beside
//! the workspace is taken. A small set in `tests/data`, made by `benches/peers/goldens`, always
//! runs. One line per file, then the total. A case that differs on purpose is an exception by a
//! rule, which is a property of its inputs, and what we return instead is asserted.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "golden_policy/mod.rs"]
mod golden;

use golden::{Case, Tally};
use std::path::PathBuf;

/// Where vectors are: in the reference data, if there is any, and in the repository.
fn folders() -> [PathBuf; 2] {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let reference = std::env::var("REFIRE_TEST_DATA").unwrap_or_else(|_| beside.to_owned());
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data").to_owned();
    [reference, committed].map(|root| PathBuf::from(root).join("golden/policy"))
}

fn main() -> std::process::ExitCode {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in folders() {
        match std::fs::read_dir(&folder) {
            Ok(entries) => files.extend(entries.map(|entry| entry.unwrap().path())),
            Err(_) => println!("golden policy: skipped, {} is missing", folder.display()),
        }
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut total = Tally::default();
    for path in files {
        let family = path.file_stem().unwrap().to_string_lossy().into_owned();
        let cases = Case::read(&path);
        let tally = golden::run(&family, &cases);
        println!("{family}: {tally}");
        total.add(tally);
    }
    println!("golden policy: {total}");
    if total.failed > 0 { std::process::ExitCode::FAILURE } else { std::process::ExitCode::SUCCESS }
}
