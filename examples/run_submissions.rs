//! Runs submissions against their tests, and says which verdicts were not the expected ones.
//!
//! ```sh
//! cargo run --release --example run_submissions -- --cases FILE.jsonl [--out FILE]
//! ```
//!
//! A row has `id`, `program` and `tests`, and may have an `expected` verdict: `must_pass`, or one
//! of `must_score_zero`, `must_be_killed` and `must_not_leak`, which all forbid a pass. The last
//! line sums up.

#[path = "run_submissions/canary.rs"]
mod canary;
#[path = "run_submissions/residue.rs"]
mod residue;
#[path = "run_submissions/row.rs"]
mod row;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use canary::Canary;
use clap::Parser;
use refire::sandbox::{
    Census, Integrity, Layers, Outcome, Sandbox, SandboxConfig, SandboxError, Start, Usage,
    Verdict, doctor,
};
use residue::Residue;
use row::{Expected, Row};

/// Runs submissions against their tests.
#[derive(Debug, Parser)]
struct Cli {
    /// Submissions, a JSON object per line.
    #[arg(long)]
    cases: PathBuf,
    /// Where to write `{"id", "verdict", "leaked"}` per row.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Starts a new interpreter for each submission.
    #[arg(long)]
    fresh: bool,
    /// Submissions at one time; as many as processors allow if left out.
    #[arg(long)]
    workers: Option<usize>,
    /// The Python to use; the first on the path if left out.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Lets suites that ask for it run in the submission's process.
    #[arg(long)]
    allow_in_process: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    let rows = row::read(&cli.cases)?;
    let census = Census::start()?;
    // The bait first, which may lie in the working folder.
    let canary = Canary::set()?;
    let residue = Residue::look()?;
    let config = SandboxConfig {
        start: if cli.fresh { Start::Fresh } else { Start::Warm },
        workers: cli.workers,
        python: cli.python,
        allow_in_process: cli.allow_in_process,
        ..SandboxConfig::default()
    };
    let start;
    let outcomes = match Sandbox::new(config) {
        Ok(sandbox) => {
            println!("{}", sandbox.layers());
            let jobs: Vec<_> = rows.iter().flat_map(|row| row.job.clone()).collect();
            sandbox.warm_up()?;
            start = Instant::now();
            let mut ran = sandbox.run_batch(&jobs).into_iter();
            let layers = Arc::new(sandbox.layers().clone());
            let outcome = |row: &Row| match &row.job {
                Ok(_) => ran.next(),
                Err(reason) => Some(no_outcome(reason, &layers)),
            };
            rows.iter().filter_map(outcome).collect()
        }
        Err(error @ SandboxError::Layer { .. }) => {
            start = Instant::now();
            let layers = Arc::new(doctor());
            println!("{layers}\n{error}");
            vec![no_outcome(&error.to_string(), &layers); rows.len()]
        }
        Err(error) => return Err(error.into()),
    };
    let seconds = start.elapsed().as_secs_f64();
    let leaks: Vec<bool> = outcomes.iter().map(|outcome| canary.is_in(outcome)).collect();

    let survivors = census.survivors()?;
    let escaped = canary.escaped();
    let left = residue.left()?;
    if let Some(path) = &cli.out {
        write_verdicts(path, &rows, &outcomes, &leaks)?;
    }
    print_counts(&outcomes);
    let (hostile, honest) = print_missed(&rows, &outcomes, &leaks);
    for what in escaped.iter().chain(&left) {
        println!("left behind: {what}");
    }
    println!("{} submissions in {seconds:.2} s; survivors: {survivors:?}", rows.len());
    let leaked = leaks.iter().filter(|leaked| **leaked).count() + escaped.len() + left.len();
    println!(
        "hostile_passed {hostile} honest_failed {honest} leaked {leaked} survivors {} \
         verdicts_per_second {:.0}",
        survivors.len(),
        rows.len() as f64 / seconds
    );
    Ok(())
}

/// What did not run says nothing about any submission.
fn no_outcome(reason: &str, layers: &Arc<Layers>) -> Outcome {
    Outcome {
        verdict: Verdict::Infra { reason: reason.to_owned(), retry: false },
        tests: Vec::new(),
        borrowed: Vec::new(),
        integrity: Integrity::Split,
        layers: Arc::clone(layers),
        usage: Usage::default(),
        stdout: Vec::new(),
        stderr: Vec::new(),
    }
}

fn write_verdicts(
    path: &PathBuf,
    rows: &[Row],
    outcomes: &[Outcome],
    leaks: &[bool],
) -> Result<(), Box<dyn Error>> {
    let mut file = BufWriter::new(File::create(path)?);
    for ((row, outcome), leaked) in rows.iter().zip(outcomes).zip(leaks) {
        let verdict = outcome.verdict.name();
        let line = serde_json::json!({"id": row.id, "verdict": verdict, "leaked": leaked});
        writeln!(file, "{line}")?;
    }
    Ok(file.flush()?)
}

fn print_counts(outcomes: &[Outcome]) {
    let mut counts = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry(outcome.verdict.name()).or_insert(0) += 1;
    }
    for (name, count) in counts {
        println!("{name:<14} {count}");
    }
}

/// Prints every row that missed its expectation; counts hostile passes and honest failures.
fn print_missed(rows: &[Row], outcomes: &[Outcome], leaks: &[bool]) -> (usize, usize) {
    let (mut hostile, mut honest) = (0, 0);
    for ((row, outcome), leaked) in rows.iter().zip(outcomes).zip(leaks) {
        let passed = outcome.verdict.is_passed();
        let missed = match row.expected {
            Some(Expected::Pass) => !passed,
            Some(Expected::NoPass) => passed,
            None => false,
        };
        match row.expected {
            Some(Expected::Pass) if missed => honest += 1,
            Some(Expected::NoPass) if missed => hostile += 1,
            _ => {}
        }
        if missed || *leaked || outcome.verdict.is_infra() {
            let leak = if *leaked { ", leaked" } else { "" };
            println!("{}: {:?}{leak}", row.id, outcome.verdict);
        }
    }
    (hostile, honest)
}
