//! Computes the same on a GPU and on the CPU, and compares.
//!
//! `cargo xtask gpu-check` builds and runs this. Each check prints a line; the last line says how
//! many passed, or why there was nothing to check.

mod compare;
mod device;
mod forward;
mod fused;
mod kernels;
mod models;
mod rollout;
mod sampling;
mod speed;
mod tally;
mod training;

use clap::Parser;
use device::Api;
use speed::{Format, Shape};
use std::process::ExitCode;
use tally::Tally;

/// The same computations on a GPU and on the CPU.
#[derive(Debug, Parser)]
struct Args {
    /// How the GPU is reached.
    #[arg(long, value_enum, default_value_t = Api::Wgpu)]
    device: Api,
    /// Makes the checks whose names contain this.
    #[arg(long, default_value = "")]
    only: String,
    /// Measures how fast a network of this shape trains and decodes, and checks nothing.
    #[arg(long, value_enum)]
    speed: Option<Shape>,
    /// The number format of its weights.
    #[arg(long, value_enum, default_value_t = Format::F32)]
    format: Format,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let device = match device::open(args.device) {
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
    if let Some(shape) = args.speed {
        return match speed::run(&device, shape, args.format) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let models = match models::all() {
        Ok(models) => models,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut tally = Tally::of(args.only);
    kernels::run(&mut tally, &device);
    for (name, config) in models {
        forward::run(&mut tally, &device, name, &config);
        training::run(&mut tally, &device, name, &config);
        sampling::run(&mut tally, &device, name, &config);
    }
    rollout::run(&mut tally, &device);
    tally.finish()
}
