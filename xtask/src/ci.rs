//! `cargo xtask ci`: every check a change must pass.
//!
//! One profile and, by `--workspace`, one set of features: the backend takes minutes to build and
//! is built again whenever either differs.

use std::time::Instant;

use crate::{
    command::{self, cargo},
    error::Error,
    layers,
    metadata::Metadata,
    quickstart,
};

type Step = (&'static str, fn(&Metadata) -> Result<(), Error>);

const STEPS: [Step; 7] = [
    ("fmt", |metadata| run_cargo(metadata, &["fmt", "--all", "--", "--check"])),
    ("clippy", clippy),
    ("layers", layers::run),
    ("test", |metadata| run_cargo(metadata, &["test", "--release", "--workspace"])),
    ("embed", embed),
    ("doc", doc),
    ("quickstart", short_quickstart),
];

/// Runs the steps in order and stops at the first that fails.
pub(crate) fn run(metadata: &Metadata) -> Result<(), Error> {
    let start = Instant::now();
    let mut times = Vec::new();
    for (step, check) in STEPS {
        println!("== {step}");
        let start = Instant::now();
        let result = check(metadata);
        let seconds = start.elapsed().as_secs_f64();
        result.map_err(|source| Error::Step { step, seconds, source: Box::new(source) })?;
        println!("== {step} passed in {seconds:.1} s\n");
        times.push(format!("{step} {seconds:.1} s"));
    }
    println!("ci passed in {:.1} s: {}", start.elapsed().as_secs_f64(), times.join(", "));
    Ok(())
}

fn run_cargo(metadata: &Metadata, args: &[&str]) -> Result<(), Error> {
    command::status(cargo(args.iter().copied()).current_dir(&metadata.workspace_root))
}

fn clippy(metadata: &Metadata) -> Result<(), Error> {
    let args = ["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"];
    run_cargo(metadata, &args)
}

/// A crate outside the workspace trains with one of ours.
fn embed(metadata: &Metadata) -> Result<(), Error> {
    run_cargo(metadata, &["run", "--release", "--manifest-path", "tests/embed/Cargo.toml"])
}

fn doc(metadata: &Metadata) -> Result<(), Error> {
    let mut doc = cargo(["doc", "--release", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings").current_dir(&metadata.workspace_root);
    command::status(&mut doc)
}

/// A twentieth of the quickstart: it must run to its last line; `soak` judges what it learns.
fn short_quickstart(metadata: &Metadata) -> Result<(), Error> {
    quickstart::build(metadata)?;
    quickstart::run(metadata, &["--budget", "0.05"]).map(|_| ())
}
