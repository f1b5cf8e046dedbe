//! A run that is killed and goes on in a new process equals the uninterrupted one.
//!
//! The test starts itself as a child: the child trains, and aborts without any clean-up.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use refire::core::{BoxError, Callback, Control, Event, Stateful};
use refire::train::{Loop, Trainer};
use std::path::{Path, PathBuf};
use std::process::Command;

const STEPS: u64 = 7;

/// Aborts the process as soon as a step is over.
struct KillAt(u64);

impl Stateful for KillAt {}

impl Callback for KillAt {
    fn on_event(&mut self, event: &Event<'_>) -> Result<Control, BoxError> {
        if matches!(event, Event::Step { step, .. } if *step == self.0) {
            std::process::abort();
        }
        Ok(Control::Continue)
    }
}

/// What a child does: train in `dir`, from the newest checkpoint if there is one.
fn train(kind: &str, dir: &Path, kill_at: u64) {
    let reward = || Box::new(common::shaped());
    match kind {
        "sft" => run(common::sft(dir, STEPS), dir, kill_at),
        "rl" => run(common::rl(dir, common::rl_config(STEPS), reward()), dir, kill_at),
        "preference" => run(common::preference(dir, STEPS), dir, kill_at),
        "ppo" => run(common::ppo(dir, common::rl_config(STEPS)), dir, kill_at),
        "controlled" => run(common::controlled(dir, common::rl_config(STEPS)), dir, kill_at),
        "reward" => run(common::reward_model(dir, STEPS), dir, kill_at),
        other => panic!("no run of kind {other}"),
    }
}

fn run<L: Loop>(trainer: Trainer<L>, dir: &Path, kill_at: u64) {
    let mut trainer = trainer.with_callback(KillAt(kill_at));
    let latest = common::checkpoints(dir, 2).latest().unwrap();
    latest.iter().for_each(|path| trainer.resume(path).unwrap());
    trainer.run().unwrap();
}

/// Not a test by itself: the body of the child processes.
#[test]
fn child() {
    let Ok(job) = std::env::var("REFIRE_CHILD") else { return };
    let parts: Vec<&str> = job.split('|').collect();
    train(parts[0], Path::new(parts[1]), parts[2].parse().unwrap());
}

/// Runs a child; true if it ended by itself.
fn child_ends(kind: &str, dir: &Path, kill_at: u64) -> bool {
    let job = format!("{kind}|{}|{kill_at}", dir.display());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env("REFIRE_CHILD", job);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("panicked"), "{text}");
    output.status.success()
}

/// Log lines without their times.
fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let strip = |line: &str| {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().retain(|key, _| !key.ends_with("_seconds"));
        value.to_string()
    };
    text.lines().map(strip).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn killed_anywhere_equals_uninterrupted(kind: &str) {
    let whole = tempfile::tempdir().unwrap();
    assert!(child_ends(kind, whole.path(), u64::MAX));
    let metrics = lines(&whole.path().join("metrics.jsonl"));
    assert_eq!(metrics.len() as u64, STEPS);
    for kill_at in 1..STEPS {
        let dir = tempfile::tempdir().unwrap();
        assert!(!child_ends(kind, dir.path(), kill_at), "the child was to be killed");
        assert!(child_ends(kind, dir.path(), u64::MAX));
        assert_eq!(lines(&dir.path().join("metrics.jsonl")), metrics, "killed at {kill_at}");
        let last = format!("checkpoints/step-{STEPS:08}");
        let ours = files(&dir.path().join(&last));
        assert!(ours.len() >= 6, "{ours:?}");
        for file in ours {
            let theirs = whole.path().join(file.strip_prefix(dir.path()).unwrap());
            let same = std::fs::read(&file).unwrap() == std::fs::read(&theirs).unwrap();
            assert!(same, "{} differs after a kill at step {kill_at}", file.display());
        }
        if kind == "rl" {
            let log = |root: &Path| std::fs::read(root.join("completions.jsonl")).unwrap();
            assert!(log(dir.path()) == log(whole.path()), "completions, killed at {kill_at}");
        }
    }
}

#[test]
fn supervised_run_killed_at_any_step() {
    killed_anywhere_equals_uninterrupted("sft");
}

#[test]
fn reinforcement_run_killed_at_any_step() {
    killed_anywhere_equals_uninterrupted("rl");
}

#[test]
fn preference_run_killed_at_any_step() {
    killed_anywhere_equals_uninterrupted("preference");
}

#[test]
fn reward_model_killed_at_any_step() {
    killed_anywhere_equals_uninterrupted("reward");
}

#[test]
fn run_with_a_critic_killed_at_any_step() {
    killed_anywhere_equals_uninterrupted("ppo");
}

/// RAE's baselines and the controllers of KL and entropy go on where they were.
#[test]
fn run_with_memory_killed_at_any_step() {
    killed_anywhere_equals_uninterrupted("controlled");
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    common::sft(dir.path(), 2).run().unwrap();
    let path = common::checkpoints(dir.path(), 2).latest().unwrap().unwrap();
    let reward = Box::new(common::shaped());
    let error = common::rl(dir.path(), common::rl_config(2), reward).resume(&path).unwrap_err();
    assert!(error.to_string().contains("of kind `sft`"), "{error}");
}
