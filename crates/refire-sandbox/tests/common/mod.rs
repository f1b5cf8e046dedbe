#![allow(dead_code)]

use std::path::PathBuf;
use std::process::Command;

use refire_sandbox::{Job, Outcome, Sandbox, SandboxConfig, SandboxError, Suite, Verdict};

/// A sandbox, or a word on the layer that is missing.
pub(crate) fn sandbox(config: SandboxConfig) -> Option<Sandbox> {
    match Sandbox::new(config) {
        Ok(sandbox) => Some(sandbox),
        Err(error @ (SandboxError::Layer { .. } | SandboxError::Python { .. })) => {
            println!("skipped: {error}; see the example `sandbox_doctor`");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A sandbox of one worker.
pub(crate) fn small() -> Option<Sandbox> {
    sandbox(SandboxConfig { workers: Some(1), ..SandboxConfig::default() })
}

/// A file of the reference data.
pub(crate) fn data(path: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("REFIRE_TEST_DATA").unwrap_or_else(|| default.into());
    let file = PathBuf::from(root).join(path);
    if file.is_file() {
        return Some(file);
    }
    println!("skipped: {} is missing", file.display());
    None
}

/// Tests of `add`.
pub(crate) fn add_suite() -> Suite {
    Suite::check(
        "add",
        "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(-1, 1) == 0\n    \
         assert candidate(100, 23) == 123\n    assert candidate(7, 8) == 15\n",
    )
}

pub(crate) fn verdict(sandbox: &Sandbox, program: &str, suite: &Suite) -> Verdict {
    sandbox.run(&Job::new(program, suite.clone())).verdict
}

pub(crate) fn outcome(sandbox: &Sandbox, program: &str, suite: &Suite) -> Outcome {
    sandbox.run(&Job::new(program, suite.clone()))
}

/// By the shell's own `kill`: there need be no program of that name.
pub(crate) fn kill(pid: u32) {
    Command::new("sh").args(["-c", &format!("kill -9 {pid}")]).output().unwrap();
}
