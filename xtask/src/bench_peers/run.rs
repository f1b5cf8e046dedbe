//! One run of one side.

use crate::{command, error::Error};
use serde::Deserialize;
use std::{path::PathBuf, process::Command};

/// A program that prints what it measured as its last line.
pub(super) struct Side {
    pub(super) program: PathBuf,
    /// A script it runs.
    pub(super) before: Option<PathBuf>,
    pub(super) work: &'static [&'static str],
}

/// What a run measured.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Measured {
    pub(super) seconds: Vec<f64>,
    pub(super) tokens: u64,
    pub(super) peak_bytes: u64,
}

/// Both sides, one after the other.
pub(super) fn pair(sides: &[Side; 2]) -> Result<[Measured; 2], Error> {
    Ok([sides[0].run()?, sides[1].run()?])
}

impl Side {
    pub(super) fn run(&self) -> Result<Measured, Error> {
        let mut command = Command::new(&self.program);
        command.args(&self.before).args(self.work);
        let printed = command::output(&mut command)?;
        let line = printed.lines().last().unwrap_or_default();
        serde_json::from_str(line).map_err(|_| Error::NoResult {
            command: command::show(&command),
            expected: "{\"seconds\": [...], \"tokens\": n, \"peak_bytes\": n}",
            line: line.to_owned(),
        })
    }
}
