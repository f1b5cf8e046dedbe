//! Every folder of the reference models against transformers: configuration, logits,
//! log-probabilities, loss and gradients, greedy tokens, and what is written again.
//!
//! The reference folder is `$REFIRE_TEST_DATA`, `../shared` by default. `$REFIRE_SMOLLM2` names a
//! folder of SmolLM2-135M-Instruct, which is read too if it is there.

#![allow(clippy::unwrap_used, clippy::panic)]

mod configuration;
mod decoding;
mod engine;
mod export;
mod gradients;
mod logits;
mod reference;
mod smollm2;
// Not all of it is of use here.
#[allow(dead_code)]
#[path = "../golden_trainer/tally.rs"]
mod tally;

use reference::Model;
use std::process::ExitCode;
use tally::Tally;

/// A check of one model; it panics where something is wrong.
type Check = fn(&Model);

/// What is checked of each model, by name.
const CHECKS: [(&str, Check); 9] = [
    ("both styles of the configuration", configuration::check),
    ("logits and log-probabilities", logits::check),
    ("padding", logits::padding),
    ("a long sequence", logits::long_sequence),
    ("loss and gradients", gradients::check),
    ("the router's auxiliary loss", gradients::router),
    ("greedy tokens", decoding::check),
    ("the engine", engine::check),
    ("export", export::check),
];

fn main() -> ExitCode {
    let Some(root) = reference::folder() else {
        println!("golden models: skipped, there is no reference data");
        return ExitCode::SUCCESS;
    };
    let mut tally = Tally::default();
    for dir in reference::models(&root) {
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        tally.case(&name, || {
            let model = Model::open(&dir);
            for (what, check) in CHECKS {
                println!("{name}: {what}");
                check(&model);
            }
        });
    }
    let smollm2 = root.join("smollm2_reference.json");
    match (smollm2.exists(), std::env::var_os("REFIRE_SMOLLM2")) {
        (true, Some(folder)) => {
            tally.case("smollm2", || smollm2::check(&smollm2, folder.as_ref()));
        }
        (true, None) => println!("smollm2: skipped: REFIRE_SMOLLM2 names no folder"),
        (false, _) => {}
    }
    println!("golden models: {tally}");
    if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
