//! Every case of the peers' preference losses: value and gradient.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "golden_preference/dpo_sequence.rs"]
mod dpo_sequence;
#[path = "golden_preference/harness.rs"]
mod harness;
#[path = "golden_preference/oracle.rs"]
mod oracle;
#[path = "golden_preference/tensors.rs"]
mod tensors;

use std::process::ExitCode;

fn main() -> ExitCode {
    let drivers: [(&str, harness::Driver); 1] = [("dpo_sequence.json", dpo_sequence::check)];
    harness::run("preference", &drivers, &[])
}
