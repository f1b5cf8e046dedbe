//! What is missing is said, and nothing runs with less.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;

use common::{add_suite, sandbox, verdict};
use refire_sandbox::{
    Compiler, Integrity, Job, Language, Layer, Layers, Limits, Require, Sandbox, SandboxConfig,
    SandboxError, Start, Suite, TestResult, Verdict, doctor,
};

fn without(layer: Layer, require: Require) -> Result<Sandbox, SandboxError> {
    let without = vec![layer];
    Sandbox::new(SandboxConfig { without, require, start: Start::Fresh, ..Default::default() })
}

/// Whether this machine has what strict confinement needs.
fn complete() -> bool {
    match doctor().missing() {
        None => true,
        Some((layer, reason)) => {
            println!("skipped: layer `{layer}`: {reason}; see the example `sandbox_doctor`");
            false
        }
    }
}

#[test]
fn strict_fails_closed_and_names_layer_and_cure() {
    if !complete() {
        return;
    }
    for layer in Layer::ALL {
        match without(layer, Require::Strict) {
            Ok(sandbox) => {
                assert!(!layer.is_required(), "{layer} is required, but it runs without");
                assert!(!sandbox.layers().is_active(layer));
            }
            Err(SandboxError::Layer { layer: named, .. }) => {
                assert!(layer.is_required());
                let error = without(layer, Require::Strict).unwrap_err().to_string();
                assert!(error.contains(named.cure()), "{error}");
                assert!(error.contains("sandbox_doctor"), "{error}");
            }
            Err(other) => panic!("{layer}: {other}"),
        }
    }
}

#[test]
fn relaxed_runs_with_what_there_is_and_says_so() {
    if !complete() {
        return;
    }
    for layer in Layer::ALL {
        let sandbox = without(layer, Require::Relaxed).unwrap();
        let job = Job::new("def add(a, b): return a + b", add_suite());
        let outcome = sandbox.run(&job);
        assert_eq!(outcome.verdict, Verdict::Passed, "without {layer}");
        assert!(!outcome.layers.is_active(layer));
        let wrong = verdict(&sandbox, "def add(a, b): return a", &add_suite());
        assert!(matches!(wrong, Verdict::Failed { .. }), "without {layer}: {wrong:?}");
    }
}

#[test]
fn warm_starts_need_their_layers() {
    if !complete() {
        return;
    }
    let without = vec![Layer::MountNamespace];
    let config = SandboxConfig { without, require: Require::Relaxed, ..Default::default() };
    let error = Sandbox::new(config).unwrap_err().to_string();
    assert!(error.contains("mount_namespace") && error.contains("fresh"), "{error}");
}

/// On a machine without a layer, for which the tests above have nothing to say.
#[test]
fn an_incomplete_machine_runs_nothing_by_accident() {
    let layers = doctor();
    let Some((layer, reason)) = layers.missing() else { return };
    let config = |start, require| SandboxConfig { start, require, ..Default::default() };
    for start in [Start::Warm, Start::Fresh] {
        let error = Sandbox::new(config(start, Require::Strict)).unwrap_err();
        assert!(matches!(&error, SandboxError::Layer { layer: l, .. } if *l == layer), "{error}");
        let error = error.to_string();
        for part in [layer.name(), reason, layer.cure(), "sandbox_doctor"] {
            assert!(error.contains(part), "{error}");
        }
    }
    // Relaxed: what runs says what it lacked, and where there is no limit nothing runs.
    let sandbox = Sandbox::new(config(Start::Fresh, Require::Relaxed)).unwrap();
    let outcome = sandbox.run(&Job::new("def add(a, b): return a + b", add_suite()));
    assert!(!outcome.layers.is_active(layer));
    assert_eq!(outcome.verdict.is_passed(), layers.is_active(Layer::Limits), "{outcome:?}");
    assert_eq!(outcome.verdict.is_infra(), !layers.is_active(Layer::Limits), "{outcome:?}");
}

#[test]
fn the_table_shows_every_layer() {
    let layers: Layers = doctor();
    let table = layers.to_string();
    for layer in Layer::ALL {
        assert!(table.contains(layer.name()), "{table}");
        assert_eq!(serde_json::to_value(layer).unwrap(), layer.name());
    }
    if let Some((layer, _)) = layers.missing() {
        assert!(table.contains(layer.cure()), "{table}");
    }
}

#[test]
fn weak_suites_are_refused_unless_named() {
    let suite = Suite::InProcess { test: "assert add(1, 2) == 3".into() };
    let right = Job::new("def add(a, b): return a + b", suite.clone());
    let Some(strong) = sandbox(SandboxConfig::default()) else { return };
    let outcome = strong.run(&right);
    assert!(
        matches!(&outcome.verdict, Verdict::Infra { reason, retry: false } if reason.contains("allow_in_process"))
    );
    let config = SandboxConfig { allow_in_process: true, ..Default::default() };
    let weak = sandbox(config).unwrap();
    let outcome = weak.run(&right);
    assert_eq!((outcome.verdict, outcome.integrity), (Verdict::Passed, Integrity::InProcess));
    assert_eq!(outcome.tests, [TestResult::Passed]);
    let wrong = weak.run(&Job::new("def add(a, b): return a", suite.clone())).verdict;
    assert!(matches!(wrong, Verdict::Failed { .. }), "{wrong:?}");
    let early = weak.run(&Job::new("import os\nos._exit(0)", suite)).verdict;
    assert!(matches!(early, Verdict::Crashed { .. }), "{early:?}");
}

#[test]
fn wrong_settings_are_all_named() {
    let limits = Limits { cpu_seconds: -1.0, processes: 0, ..Limits::default() };
    let config = SandboxConfig { limits, workers: Some(0), ..Default::default() };
    let error = Sandbox::new(config).unwrap_err().to_string();
    for name in ["cpu_seconds", "processes", "workers"] {
        assert!(error.contains(name), "{error}");
    }
    let missing = SandboxConfig { python: Some("/nowhere/python".into()), ..Default::default() };
    let error = Sandbox::new(missing).unwrap_err();
    assert!(matches!(error, SandboxError::Python { .. } | SandboxError::Layer { .. }), "{error}");
    assert!(serde_json::from_str::<SandboxConfig>(r#"{"worker": 1}"#).is_err());
}

#[test]
fn batches_follow_each_other() {
    let Some(sandbox) = sandbox(SandboxConfig { workers: Some(3), ..Default::default() }) else {
        return;
    };
    let jobs = |n: usize| -> Vec<Job> {
        let program = |i: usize| format!("def add(a, b): return a + b + {}", i % 2);
        (0..n).map(|i| Job::new(program(i), add_suite())).collect()
    };
    for n in [0, 1, 2, 7] {
        let mut seen = Vec::new();
        let outcomes = sandbox.run_batch_with(&jobs(n), |index, outcome| {
            seen.push((index, outcome.verdict.is_passed()));
        });
        seen.sort_unstable();
        let expected: Vec<_> = (0..n).map(|i| (i, i % 2 == 0)).collect();
        assert_eq!(seen, expected);
        let passed: Vec<_> = outcomes.iter().map(|o| o.verdict.is_passed()).collect();
        assert_eq!(passed, expected.iter().map(|(_, passed)| *passed).collect::<Vec<_>>());
    }
    let asked_together = std::thread::scope(|scope| {
        let ask = || sandbox.run(&jobs(1)[0]).verdict.is_passed();
        let all: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        all.into_iter().all(|thread| thread.join().unwrap())
    });
    assert!(asked_together);
}

/// A language that brings its worker down.
#[derive(Debug)]
struct Collapsing;

impl Language for Collapsing {
    fn name(&self) -> &'static str {
        "collapsing"
    }

    fn compiler(&self) -> Option<Compiler> {
        panic!("no more")
    }
}

#[test]
fn workers_that_panic_are_replaced() {
    let config = SandboxConfig { workers: Some(2), ..SandboxConfig::default() };
    let Some(sandbox) = sandbox(config) else { return };
    let bad = || Job { language: Arc::new(Collapsing), ..Job::new("", add_suite()) };
    let good = || Job::new("def add(a, b): return a + b", add_suite());
    // More of them than there are workers.
    for _ in 0..3 {
        let outcomes = sandbox.run_batch(&[bad(), good(), bad(), bad(), good()]);
        for (outcome, passes) in outcomes.iter().zip([false, true, false, false, true]) {
            assert_eq!(outcome.verdict.is_passed(), passes, "{:?}", outcome.verdict);
            assert_eq!(outcome.verdict.is_infra(), !passes, "{:?}", outcome.verdict);
        }
        let reason = format!("{:?}", outcomes[0].verdict);
        assert!(reason.contains("panicked") && reason.contains("no more"), "{reason}");
        sandbox.warm_up().unwrap();
    }
}

/// None waits for another's workers.
#[test]
fn warm_ups_at_the_same_time_end() {
    let config = SandboxConfig { workers: Some(4), ..SandboxConfig::default() };
    let Some(sandbox) = sandbox(config).map(Arc::new) else { return };
    let (done, all) = std::sync::mpsc::channel();
    for _ in 0..8 {
        let (sandbox, done) = (Arc::clone(&sandbox), done.clone());
        std::thread::spawn(move || {
            for _ in 0..20 {
                sandbox.warm_up().unwrap();
            }
            done.send(()).unwrap();
        });
    }
    for _ in 0..8 {
        all.recv_timeout(std::time::Duration::from_secs(120)).expect("a warm-up never ended");
    }
}
