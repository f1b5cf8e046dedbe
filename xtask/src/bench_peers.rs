//! `cargo xtask bench-peers`: the same work in refire and in PyTorch, transformers, TRL and
//! llama.cpp, in turns on this machine.

mod bandwidth;
mod run;
mod targets;

use crate::{
    command::{self, cargo},
    error::Error,
    metadata::Metadata,
};
use bandwidth::Share;
use clap::Args;
use run::{Side, pair};
use std::path::PathBuf;
use targets::{Outcome, TARGETS};

/// What to compare, and how often.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A Python with the packages of benches/peers/speed/requirements.txt.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Pairs of runs; the medians count.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// One pair of each.
    #[arg(long)]
    quick: bool,
    /// Only the work whose name contains this.
    #[arg(long)]
    only: Option<String>,
}

/// Builds, runs the pairs and prints a table; the last line says which targets were missed.
pub(crate) fn run(metadata: &Metadata, options: &Options) -> Result<(), Error> {
    let arguments = ["build", "--release", "--workspace", "--example", "speed"];
    command::status(cargo(arguments).current_dir(&metadata.workspace_root))?;
    let ours = metadata.target_directory.join("release/examples/speed");
    let script = metadata.workspace_root.join("benches/peers/speed/peer.py");
    let pairs = if options.quick { 1 } else { options.pairs.max(1) };
    let wanted = |name: &str| options.only.as_ref().is_none_or(|only| name.contains(only));
    let (mut outcomes, mut missed) = (Vec::new(), Vec::new());
    for target in TARGETS.iter().filter(|target| wanted(target.name)) {
        let sides = [
            Side { program: ours.clone(), before: None, work: target.ours },
            Side {
                program: options.python.clone(),
                before: Some(script.clone()),
                work: target.peer,
            },
        ];
        // What fails is missed; the other work is compared all the same.
        let runs = (0..pairs).map(|_| pair(&sides)).collect::<Result<Vec<_>, _>>();
        let runs = match runs {
            Ok(runs) => runs,
            Err(error) => {
                println!("{}: {error}", target.name);
                missed.push(format!("{} failed", target.name));
                continue;
            }
        };
        let outcome = Outcome::of(target, &runs);
        println!("{outcome}");
        missed.extend(outcome.missed());
        if target.reads_weights {
            let copies = Side { program: ours.clone(), before: None, work: &["bandwidth"] };
            let share = Share::of(outcome.rate(), &copies.run()?);
            println!("{:<24} {share}", "");
            missed.extend(share.missed(target.name));
        }
        outcomes.push(outcome);
    }
    println!("\n{}", targets::table(&outcomes));
    println!("{}", verdict(&missed, options.only.as_deref()));
    Ok(())
}

fn verdict(missed: &[String], only: Option<&str>) -> String {
    match (missed, only) {
        ([], None) => "all targets met".to_owned(),
        ([], Some(only)) => format!("all targets met of the work named `{only}`"),
        _ => format!("missed: {}", missed.join(", ")),
    }
}
