//! Programs that try to pass without solving the task, or to reach what is not theirs.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod deceive;
mod excuse;
mod exhaust;
mod reach;

use common::{add_suite, sandbox};
use refire_sandbox::{Job, SandboxConfig, Start, Suite, Verdict};

/// Runs every program against tests of `add`, warm and fresh; none may pass, or be excused.
fn none_passes(programs: &[(&str, &str)]) {
    none_passes_suite(programs, &add_suite());
}

fn none_passes_suite(programs: &[(&str, &str)], suite: &Suite) {
    for start in [Start::Warm, Start::Fresh] {
        let Some(sandbox) = sandbox(SandboxConfig { start, ..SandboxConfig::default() }) else {
            return;
        };
        let jobs: Vec<Job> =
            programs.iter().map(|(_, program)| Job::new(*program, suite.clone())).collect();
        let outcomes = sandbox.run_batch(&jobs);
        for ((name, _), outcome) in programs.iter().zip(&outcomes) {
            let verdict = &outcome.verdict;
            assert!(!verdict.is_passed(), "{start:?} {name} passed");
            assert!(!verdict.is_infra(), "{start:?} {name} was excused: {verdict:?}");
            let text = String::from_utf8_lossy(&outcome.stdout);
            assert!(!text.contains("LEAK"), "{start:?} {name} leaked: {text}");
        }
    }
}

#[test]
fn what_is_right_passes() {
    for start in [Start::Warm, Start::Fresh] {
        let Some(sandbox) = sandbox(SandboxConfig { start, ..SandboxConfig::default() }) else {
            return;
        };
        let outcome = sandbox.run(&Job::new("def add(a, b):\n    return a + b\n", add_suite()));
        assert_eq!(outcome.verdict, Verdict::Passed);
        assert_eq!(outcome.fraction(), Some(1.0));
        assert_eq!(outcome.tests.len(), 4);
        assert!(outcome.borrowed.is_empty());
    }
}
