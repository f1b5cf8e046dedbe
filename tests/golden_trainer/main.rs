//! TRL's own trainers against ours: loss, gradient norm and distance of the weights, step by step.
//!
//! The reference folder is `$REFIRE_TEST_DATA`, `../shared` by default.

#![allow(clippy::unwrap_used, clippy::panic)]

mod dpo;
mod grpo;
mod packed;
mod recorder;
mod reference;
mod reward;
mod sft;
mod tally;

use std::path::Path;
use std::process::ExitCode;
use tally::Tally;

/// What runs through a file.
type Driver = fn(&Path, &mut Tally);

const FILES: [(&str, Driver); 5] = [
    ("sft", sft::run),
    ("sft_packed", packed::run),
    ("dpo", dpo::run),
    ("reward", reward::run),
    ("grpo", grpo::run),
];

fn main() -> ExitCode {
    let Some(golden) = reference::folder() else {
        println!("golden trainer: skipped, there is no reference data");
        return ExitCode::SUCCESS;
    };
    let mut all = Tally::default();
    for (name, run) in FILES {
        let file = golden.join("trainer").join(name).with_extension("json");
        let mut tally = Tally::default();
        if file.exists() {
            run(&file, &mut tally);
        } else {
            tally.skip(&file);
        }
        println!("{name}: {tally}");
        all.add(&tally);
    }
    println!("golden trainer: {all}");
    if all.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
