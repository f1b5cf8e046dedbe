//! Every case of the peers' supervised losses: value and gradient, of the plain functions and of the
//! objectives.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "golden_sft/chunked_linear_ce.rs"]
mod chunked_linear_ce;
#[path = "golden_preference/harness.rs"]
mod harness;
#[path = "golden_preference/logits.rs"]
mod logits;
#[path = "golden_sft/sft_token.rs"]
mod sft_token;
#[path = "golden_preference/tensors.rs"]
mod tensors;

use std::process::ExitCode;

fn main() -> ExitCode {
    let drivers: [(&str, harness::Driver); 2] = [
        ("chunked_linear_ce.json", chunked_linear_ce::check),
        ("sft_token.json", sft_token::check),
    ];
    // Packing is the data crate's.
    harness::run("sft", &drivers, &["packing.json"])
}
