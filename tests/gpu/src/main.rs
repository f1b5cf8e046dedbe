//! Computes the same on a GPU and on the CPU, and compares.
//!
//! `cargo xtask gpu-check` builds and runs this. Each check prints a line; the last line says how
//! many passed, or why there was nothing to check.

mod compare;
mod device;
mod forward;
mod kernels;
mod models;
mod rollout;
mod sampling;
mod tally;
mod training;

use clap::Parser;
use device::Api;
use std::process::ExitCode;
use tally::Tally;

/// The same computations on a GPU and on the CPU.
#[derive(Debug, Parser)]
struct Args {
    /// How the GPU is reached.
    #[arg(long, value_enum, default_value_t = Api::Wgpu)]
    device: Api,
}

fn main() -> ExitCode {
    let device = match device::open(Args::parse().device) {
        Ok((device, name)) => {
            println!("on {name}");
            device
        }
        Err(device::Missing::Adapter(reason)) => {
            println!("skipped: no adapter ({reason})");
            return ExitCode::SUCCESS;
        }
        Err(device::Missing::Feature(feature)) => {
            eprintln!("built without the feature `{feature}`");
            return ExitCode::FAILURE;
        }
    };
    let models = match models::all() {
        Ok(models) => models,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut tally = Tally::default();
    kernels::run(&mut tally, &device);
    for (name, config) in models {
        forward::run(&mut tally, &device, name, &config);
        training::run(&mut tally, &device, name, &config);
        sampling::run(&mut tally, &device, name, &config);
    }
    rollout::run(&mut tally, &device);
    tally.finish()
}
