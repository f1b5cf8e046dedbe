//! The workspace's chores, run as `cargo xtask <command>`.
//!
//! - `layers` checks that the crates depend on each other only as ARCHITECTURE.md allows.
//! - `ci` runs every check a change must pass.
//! - `soak` runs what is too long for `ci`.
//! - `data` checks the features of `refire-data` that take too long to build for `ci`.
//! - `gpu-check` computes the same on a GPU and on the CPU, and compares.
//! - `bench-peers` compares speed and memory with PyTorch, transformers, TRL and llama.cpp.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench_peers;
mod ci;
mod command;
mod data;
mod error;
mod gpu_check;
mod layers;
mod metadata;
mod quickstart;
mod soak;

use error::Error;
use metadata::Metadata;

/// Chores of the refire workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Format, lints, layers, tests, documentation and a short quickstart; stops at a failure.
    Ci,
    /// Check the dependencies between crates, what their trees hold, and where `unsafe` stands.
    Layers,
    /// Parquet files, and curation as a query of DataFusion: in one process, and on two workers
    /// over the loopback interface. Builds a query engine, which takes long.
    Data,
    /// Ten thousand submissions through the sandbox, and the quickstart over three seeds; fails when
    /// anything is left behind, or when training gains too little.
    Soak,
    /// Kernels' operations, networks, updates, sampling and a step of GRPO on a GPU, compared with
    /// the CPU. Builds a GPU backend, which takes long.
    GpuCheck(gpu_check::Options),
    /// The same work in refire and in PyTorch, transformers, TRL and llama.cpp, in turns: times, memory, and
    /// which targets were missed.
    BenchPeers(bench_peers::Options),
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), Error> {
    let metadata = Metadata::load()?;
    match &cli.chore {
        Chore::Ci => ci::run(&metadata),
        Chore::Data => data::run(&metadata),
        Chore::Layers => layers::run(&metadata),
        Chore::Soak => soak::run(&metadata),
        Chore::GpuCheck(options) => gpu_check::run(&metadata, options),
        Chore::BenchPeers(options) => bench_peers::run(&metadata, options),
    }
}
