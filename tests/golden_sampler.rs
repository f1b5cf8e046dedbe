//! Every processor against the reference: transformers' own, and formulas without a peer.
//!
//! The reference folder is `$REFIRE_TEST_DATA`, `../shared` by default. Every case of every file in
//! `golden/sampler` is run, with whatever hyperparameters it has; a key or a kind that isn't known
//! fails the case.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "golden_sampler/case.rs"]
mod case;
#[path = "golden_sampler/chain.rs"]
mod chain;
#[path = "golden_sampler/formulas.rs"]
mod formulas;
#[path = "golden_sampler/processors.rs"]
mod processors;

use case::Case;
use serde_json::Value;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How many cases came out like the reference.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Tally {
    fn case(&mut self, name: &str, check: impl FnOnce()) {
        match catch_unwind(AssertUnwindSafe(check)) {
            Ok(()) => self.passed += 1,
            Err(_) => {
                println!("  failed: {name}");
                self.failed += 1;
            }
        }
    }

    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

fn check(kind: &str, case: &Value) {
    let case = Case::new(case);
    match kind {
        "chain_transformers_order" => chain::check(&case),
        "frequency_presence" => formulas::frequency_presence(&case),
        "rlg_geometric" => formulas::rlg(&case),
        _ => processors::check(kind, &case),
    }
    case.nothing_left();
}

/// All kinds of one section of a file; sections that hold no cases are descriptions.
fn kinds(section: &Value) -> Vec<(&String, &Vec<Value>)> {
    let kinds = section.as_object().into_iter().flatten();
    kinds.filter_map(|(kind, cases)| Some((kind, cases.as_array()?))).collect()
}

fn run(file: &Path) -> Tally {
    let mut all = Tally::default();
    let sections: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    for (_, section) in sections.as_object().unwrap().iter().filter(|(name, _)| *name != "meta") {
        for (kind, cases) in kinds(section) {
            let mut tally = Tally::default();
            for (index, case) in cases.iter().enumerate() {
                let name = format!("{kind}, case {index}: {}", case["params"]);
                tally.case(&name, || check(kind, case));
            }
            println!("{kind}: {tally}");
            all.add(&tally);
        }
    }
    all
}

fn folder() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var("REFIRE_TEST_DATA").unwrap_or_else(|_| default.to_owned());
    Some(Path::new(&root).join("golden/sampler")).filter(|path| path.exists())
}

fn main() -> ExitCode {
    let Some(folder) = folder() else {
        println!("golden sampler: skipped, there is no reference data");
        return ExitCode::SUCCESS;
    };
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension() == Some("json".as_ref())).collect();
    files.sort();
    let mut all = Tally::default();
    files.iter().for_each(|file| all.add(&run(file)));
    println!("golden sampler: {all}");
    let found = all.passed + all.skipped > 0;
    if all.failed == 0 && found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
