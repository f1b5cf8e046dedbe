//! The example `curate`, run on small files as its user would.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

/// Where cargo puts examples, beside the tests.
fn example() -> Option<PathBuf> {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent()?.parent()?.join("examples").join("curate");
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    if !path.exists() {
        println!("skipped: {} isn't built", path.display());
    }
    path.exists().then_some(path)
}

#[test]
fn curate_keeps_what_is_good_and_says_why_not() {
    let Some(example) = example() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let things = ["pens", "stones", "hats", "coins", "letters", "boats"];
    let row = |at: usize| {
        let thing = things[at];
        json!({
            "question": format!("Tom finds {} {thing} near the old {thing} shop. How many {thing} has he after giving 2 away?", at + 5),
            "solution": format!("He had {} {thing} and gave 2 away, so {} {thing} are left.", at + 5, at + 3),
        })
    };
    let mut rows: Vec<Value> = (0..6).map(row).collect();
    rows.push(row(0));
    let mut again = row(1);
    again["question"] =
        "Ann counts the birds on a very long wire. How many birds does she see?".into();
    again["solution"] = "Wait, let me count them once more. ".repeat(20).into();
    rows.push(again);
    let mut lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    lines.push("{broken".to_owned());
    std::fs::write(path("in.jsonl"), lines.join("\n")).unwrap();
    std::fs::write(path("bench.jsonl"), json!({"question": row(2)["question"]}).to_string())
        .unwrap();
    let out = Command::new(example)
        .args(["--prompt", "question", "--completion", "solution", "--input"])
        .arg(path("in.jsonl"))
        .arg("--benchmark")
        .arg(path("bench.jsonl"))
        .arg("--out")
        .arg(path("out"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    for wanted in
        ["exact duplicate: 1", "loop: 1", "bench in the prompt: 1", "1 bad rows; 5 of 8 kept"]
    {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let report = std::fs::read_to_string(path("out/report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((report["taken"].as_u64(), report["given"].as_u64()), (Some(8), Some(5)));
    let kept = refire_data::Reader::open(&[path("out/kept.jsonl.gz")], Default::default()).unwrap();
    assert_eq!(kept.filter(|record| record.is_ok()).count(), 5);
    assert!(std::fs::read_to_string(path("out/report.html")).unwrap().contains("5 of 8 records"));
    assert_eq!(std::fs::read_to_string(path("out/rejects.jsonl")).unwrap().lines().count(), 1);
    let mut wrong = Command::new(self::example().unwrap());
    let wrong = wrong.args(["--input", "no such file", "--out"]).arg(path("none")).output();
    assert!(!wrong.unwrap().status.success());
}
