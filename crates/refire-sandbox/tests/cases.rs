//! Every submission of the reference data, as this user.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs::read_to_string;

use common::{data, sandbox};
use refire_sandbox::{Job, Outcome, SandboxConfig, Start, StdioCase, Suite};
use serde_json::Value;

fn rows(path: &str) -> Option<Vec<Value>> {
    let text = read_to_string(data(path)?).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_else(|| panic!("no `{field}` in {row}")).to_owned()
}

fn run(start: Start, jobs: &[Job]) -> Option<Vec<Outcome>> {
    Some(sandbox(SandboxConfig { start, ..SandboxConfig::default() })?.run_batch(jobs))
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
    let Some(outcomes) = run(Start::Warm, &jobs) else { return };
    for (row, outcome) in rows.iter().zip(&outcomes) {
        let must_pass = row["expected"] == "must_pass";
        let (id, verdict) = (&row["id"], &outcome.verdict);
        assert_eq!(verdict.is_passed(), must_pass, "{id}: {verdict:?}");
        assert!(!verdict.is_infra(), "{id}: {verdict:?}");
        let output = String::from_utf8_lossy(&outcome.stdout).replace("LEAKED-LOCAL", "");
        assert!(!output.contains("LEAKED"), "{id}: {output}");
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
    for start in [Start::Warm, Start::Fresh] {
        let Some(outcomes) = run(start, &jobs) else { return };
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
    let Some(outcomes) = run(Start::Warm, &jobs) else { return };
    for (row, outcome) in rows.iter().zip(&outcomes) {
        assert!(outcome.verdict.is_passed(), "{}: {:?}", row["id"], outcome.verdict);
    }
}
