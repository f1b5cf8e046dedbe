//! `cargo xtask gpu-check`: the same on a GPU and on the CPU. The package that does it lies outside
//! the workspace, since a GPU backend takes long to build.

use crate::{
    command::{self, cargo},
    error::Error,
    metadata::Metadata,
};
use clap::{Args, ValueEnum};

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How the GPU is reached.
    #[arg(long, value_enum, default_value_t = Device::Wgpu)]
    device: Device,
    /// Have the types checked and nothing run: needs no GPU, and for CUDA no LLVM.
    #[arg(long)]
    types_only: bool,
    /// With burn's fusion of operations.
    #[arg(long)]
    fusion: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Device {
    /// wgpu, with shaders in WGSL.
    #[value(alias = "webgpu")]
    Wgpu,
    /// wgpu on Vulkan, with shaders in SPIR-V.
    Vulkan,
    /// CUDA; the build downloads LLVM.
    Cuda,
}

impl Device {
    /// The feature of the package, and its name for the device.
    fn name(self) -> &'static str {
        match self {
            Self::Wgpu => "wgpu",
            Self::Vulkan => "vulkan",
            Self::Cuda => "cuda",
        }
    }
}

/// Builds the package for the device and runs it.
pub(crate) fn run(metadata: &Metadata, options: &Options) -> Result<(), Error> {
    let (manifest, device) = ("tests/gpu/Cargo.toml", options.device.name());
    let verb = if options.types_only { "check" } else { "run" };
    let package = [verb, "--release", "--manifest-path", manifest, "--no-default-features"];
    let mut check = cargo(package.into_iter().chain(["--features", device]));
    if options.fusion {
        check.args(["--features", "fusion"]);
    }
    match options.types_only {
        // As on docs.rs, where nothing is linked: CUDA's compiler does without its download.
        true => check.env("DOCS_RS", "1"),
        false => check.args(["--", "--device", device]),
    };
    command::status(check.current_dir(&metadata.workspace_root))
}
