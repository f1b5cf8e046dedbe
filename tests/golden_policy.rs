//! Policy-gradient methods against vectors that the peers' own code produced: values, gradients and
//! metrics of every case of every file under `golden/policy`, in 64 bits.
//!
//! `REFIRE_TEST_DATA` names the folder that holds `golden`; without it the folder `shared` beside
//! the workspace is taken. One line per file, then the total. A case that differs on purpose is an
//! exception by a rule, which is a property of its inputs, and what we return instead is asserted.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "golden_policy/mod.rs"]
mod golden;

use golden::{Case, Tally};
use std::path::PathBuf;

fn main() -> std::process::ExitCode {
    let root = std::env::var("REFIRE_TEST_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    let folder = PathBuf::from(root).join("golden/policy");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("golden policy: skipped, {} is missing", folder.display());
        return std::process::ExitCode::SUCCESS;
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
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
