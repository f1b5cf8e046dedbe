//! Signals to a process of its own: this test starts itself again as the run.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a broken test should fail")]

use refire_core::{Callback, Control, Event, Metrics, Phase};
use refire_train::Interrupt;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const CHILD: &str = "REFIRE_TEST_INTERRUPT_CHILD";

/// Not a test by itself: the run that is interrupted. With "deaf" it never comes to its step's end.
#[test]
fn child() {
    let Ok(kind) = std::env::var(CHILD) else { return };
    let mut interrupt = Interrupt::install().unwrap();
    let again = Interrupt::install().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    interrupt.on_event(&Event::Start { phase: Phase::Rl, done: 0, total: 99 }).unwrap();
    println!("\nready");
    while Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
        let event = Event::Step { step: 1, metrics: &Metrics::default() };
        if kind != "deaf" && interrupt.on_event(&event).unwrap() == Control::Stop {
            assert!(again.requested(), "both know of the one handler");
            println!("saved");
            return;
        }
    }
}

fn start(kind: &str) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut child = Command::new(program)
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, kind)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim() != "ready" {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the run ended before it began");
    }
    child.stdout = Some(lines.into_inner());
    child
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn end(child: &mut Child) -> (ExitStatus, String, String) {
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap(), out, err)
}

#[test]
fn one_signal_stops_the_run_after_its_step() {
    for name in ["-INT", "-TERM"] {
        let mut child = start("polite");
        signal(&child, name);
        let (status, out, err) = end(&mut child);
        assert!(status.success(), "{name}: {status}");
        assert!(out.contains("saved"), "{name}: {out}");
        assert_eq!(err.matches("saving, then stopping").count(), 1, "{name}: {err}");
    }
}

#[test]
fn a_second_ctrl_c_exits_at_once() {
    let mut child = start("deaf");
    signal(&child, "-INT");
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("saving, then stopping") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0);
    }
    child.stderr = Some(lines.into_inner());
    signal(&child, "-INT");
    let (status, out, _) = end(&mut child);
    assert_eq!(status.code(), Some(130));
    assert!(!out.contains("saved"));
}
