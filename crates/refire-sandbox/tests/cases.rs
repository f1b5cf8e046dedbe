//! Every submission of the reference data, as this user.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::fs::{read_dir, read_to_string};
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{data, sandbox};
use refire_sandbox::{Census, Job, Outcome, SandboxConfig, Start, StdioCase, Suite};
use serde_json::Value;

fn rows(path: &str) -> Option<Vec<Value>> {
    let text = read_to_string(data(path)?).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!rows.is_empty(), "{path} has no row");
    Some(rows)
}

/// One test at a time: they count what the process owns.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What programs could have left behind: files of theirs, and anything in the working folder.
#[cfg(target_os = "linux")]
fn residue() -> BTreeSet<String> {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    // Root runs them as users of their own, which nobody else is.
    let is_theirs =
        |user: u32| if own == 0 { (64_000..65_000).contains(&user) } else { user == own };
    let mut all = BTreeSet::new();
    for folder in [".", "/dev/shm", "/tmp", "/var/tmp", "/dev/mqueue"] {
        for entry in read_dir(folder).into_iter().flatten().flatten() {
            let theirs = entry.metadata().is_ok_and(|data| is_theirs(data.uid()));
            // Unprivileged, temporary files are no different from those of others' programs.
            let shared = own != 0 && folder.ends_with("tmp");
            if folder == "." || (theirs && !shared) {
                all.insert(entry.path().display().to_string());
            }
        }
    }
    all
}

#[cfg(not(target_os = "linux"))]
fn residue() -> BTreeSet<String> {
    let entries = read_dir(".").into_iter().flatten().flatten();
    entries.map(|entry| entry.path().display().to_string()).collect()
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_else(|| panic!("no `{field}` in {row}")).to_owned()
}

fn run(start: Start, jobs: &[Job]) -> Option<Vec<Outcome>> {
    let (census, before) = (Census::start().unwrap(), residue());
    let sandbox = sandbox(SandboxConfig { start, ..SandboxConfig::default() })?;
    let outcomes = sandbox.run_batch(jobs);
    drop(sandbox);
    assert_eq!(census.survivors().unwrap(), Vec::<u32>::new(), "{start:?}");
    assert_eq!(residue(), before, "{start:?}");
    Some(outcomes)
}

#[test]
fn submissions_get_what_they_deserve() {
    let Some(rows) = rows("cases/code_submissions.jsonl") else { return };
    let suite = |tests: &Value| match tests["kind"].as_str().unwrap() {
        "assert" => Suite::check(text(tests, "entry_point"), text(tests, "test")),
        "stdio" => {
            let cases: Vec<StdioCase> = serde_json::from_value(tests["cases"].clone()).unwrap();
            Suite::Stdio { cases, comparator: Default::default() }
        }
        other => panic!("tests of kind `{other}`"),
    };
    let jobs: Vec<Job> =
        rows.iter().map(|row| Job::new(text(row, "program"), suite(&row["tests"]))).collect();
    let honest = rows.iter().filter(|row| must_pass(row)).count();
    assert!(honest > 0 && honest < rows.len(), "{honest} of {} are honest", rows.len());
    let _alone = alone();
    for start in [Start::Warm, Start::Fresh] {
        let Some(outcomes) = run(start, &jobs) else { return };
        assert_eq!(outcomes.len(), rows.len());
        for (row, outcome) in rows.iter().zip(&outcomes) {
            let (id, verdict) = (&row["id"], &outcome.verdict);
            assert_eq!(verdict.is_passed(), must_pass(row), "{start:?} {id}: {verdict:?}");
            assert!(!verdict.is_infra(), "{start:?} {id}: {verdict:?}");
            let output = String::from_utf8_lossy(&outcome.stdout).replace("LEAKED-LOCAL", "");
            assert!(!output.contains("LEAKED"), "{start:?} {id}: {output}");
        }
    }
}

fn must_pass(row: &Value) -> bool {
    match row["expected"].as_str() {
        Some("must_pass") => true,
        Some(other) if other.starts_with("must_") => false,
        other => panic!("{}: an expectation of {other:?}", row["id"]),
    }
}

#[test]
fn humaneval_passes() {
    let Some(rows) = rows("data/humaneval.jsonl") else { return };
    let job = |row: &Value| {
        let prompt = text(row, "prompt");
        let program = prompt.clone() + &text(row, "canonical_solution");
        let (entry_point, test) = (text(row, "entry_point"), text(row, "test"));
        Job::new(program, Suite::Check { entry_point, test, prelude: prompt })
    };
    let jobs: Vec<Job> = rows.iter().map(job).collect();
    let _alone = alone();
    for start in [Start::Warm, Start::Fresh] {
        let Some(outcomes) = run(start, &jobs) else { return };
        assert_eq!(outcomes.len(), rows.len());
        for (row, outcome) in rows.iter().zip(&outcomes) {
            assert!(
                outcome.verdict.is_passed(),
                "{start:?} {}: {:?}",
                row["task_id"],
                outcome.verdict
            );
            assert_eq!(outcome.fraction(), Some(1.0), "{start:?} {}", row["task_id"]);
        }
    }
}

#[test]
fn mbpp_passes() {
    let Some(rows) = rows("data/mbpp_sample.jsonl") else { return };
    let job = |row: &Value| {
        let tests: Vec<String> = serde_json::from_value(row["test_list"].clone()).unwrap();
        let prelude = text(&row["labels"], "test_setup_code");
        Job::new(text(row, "canonical_solution"), Suite::Asserts { tests, prelude })
    };
    let jobs: Vec<Job> = rows.iter().map(job).collect();
    let _alone = alone();
    for start in [Start::Warm, Start::Fresh] {
        let Some(outcomes) = run(start, &jobs) else { return };
        assert_eq!(outcomes.len(), rows.len());
        for (row, outcome) in rows.iter().zip(&outcomes) {
            assert!(outcome.verdict.is_passed(), "{start:?} {}: {:?}", row["id"], outcome.verdict);
        }
    }
}
