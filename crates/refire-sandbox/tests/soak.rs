//! Ten thousand submissions in a row. Run by `cargo xtask soak`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs::{read_dir, read_to_string};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{add_suite, kill, sandbox};
use refire_sandbox::{Census, Job, Limits, Outcome, SandboxConfig, Start, StdioCase, Suite};

const SUBMISSIONS: usize = 10_000;
const BATCH: usize = 500;
/// Growth of this process that is no leak: allocators keep some.
const MEMORY_SLACK: u64 = 24 << 20;
/// Growth of all interpreters that wait, together.
const ZYGOTE_SLACK: u64 = 8 << 20;

/// `(program, whether it is right)`; one in a hundred takes its limits to the end.
const PROGRAMS: &[(&str, bool)] = &[
    ("def add(a, b): return a + b", true),
    (
        "import math, random, typing\ndef add(a: int, b: int) -> int:\n    return int(math.fsum([a, b]))",
        true,
    ),
    (
        "def add(a, b):\n    import tempfile\n    with tempfile.TemporaryFile() as f:\n        return a + b",
        true,
    ),
    (
        "import threading\ndef add(a, b):\n    r = []\n    t = threading.Thread(target=lambda: r.append(a + b)); t.start(); t.join()\n    return r[0]",
        true,
    ),
    ("def add(a, b): return a - b", false),
    ("def add(a, b): return None", false),
    ("import os\nos._exit(0)", false),
    (
        "class E(int):\n    __eq__ = lambda *a: True\n    __hash__ = None\ndef add(a, b): return E(0)",
        false,
    ),
    (
        "import os\nfor _ in range(8):\n    if os.fork() == 0:\n        os.setsid()\n        import time; time.sleep(60)\ndef add(a, b): return None",
        false,
    ),
    ("x = bytearray(1 << 32)", false),
    ("def add(a, b): return 'x' * (8 << 20)", false),
    ("def add(:", false),
    ("open('/tmp/x', 'wb').write(b'x' * (8 << 20))\ndef add(a, b): return None", false),
    ("import sys\nsys.stdout.write('x' * 100000)\ndef add(a, b): raise ValueError", false),
];
const SLOW: &[&str] = &["while True: pass", "import time\ntime.sleep(60)"];

fn jobs(batch: usize) -> Vec<(Job, bool)> {
    let case = StdioCase { input: "2 3".into(), output: "5".into() };
    let stdio = Suite::Stdio { cases: vec![case], comparator: Default::default() };
    let job = |i: usize| {
        if i % 100 == 7 {
            return (Job::new(SLOW[i / 100 % SLOW.len()], add_suite()), false);
        }
        if i % 10 == 3 {
            let program = "print(sum(map(int, input().split())))";
            return (Job::new(program, stdio.clone()), true);
        }
        let (program, right) = PROGRAMS[i % PROGRAMS.len()];
        (Job::new(program, add_suite()), right)
    };
    (batch * BATCH..(batch + 1) * BATCH).map(job).collect()
}

#[derive(Debug)]
struct Owned {
    descriptors: usize,
    mounts: usize,
    memory: u64,
}

fn owned() -> Owned {
    let status = read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    Owned {
        descriptors: read_dir("/proc/self/fd").unwrap().count(),
        mounts: read_to_string("/proc/self/mountinfo").unwrap().lines().count(),
        memory: kilobytes << 10,
    }
}

/// Private memory of the interpreters that wait, which are the children of this process between
/// batches.
fn zygotes(census: &Census) -> u64 {
    let own = std::process::id().to_string();
    let memory = |pid: &u32| {
        let status = read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().trim_end_matches(" kB").to_owned())
        };
        (field("PPid:")? == own).then_some(field("RssAnon:")?.parse::<u64>().ok()? << 10)
    };
    census.survivors().unwrap().iter().filter_map(memory).sum()
}

fn check(jobs: &[(Job, bool)], outcomes: &[Outcome]) -> usize {
    let mut infra = 0;
    for ((job, right), outcome) in jobs.iter().zip(outcomes) {
        let verdict = &outcome.verdict;
        if verdict.is_infra() {
            infra += 1;
        } else {
            assert_eq!(verdict.is_passed(), *right, "{:?}: {verdict:?}", job.program);
        }
    }
    infra
}

/// Kills something of ours now and then, and counts.
fn assassin(census: &Census, stop: &AtomicBool) -> usize {
    let mut killed = 0;
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(250));
        let alive = census.survivors().unwrap();
        if let Some(pid) = alive.get(killed * 7 % alive.len().max(1)) {
            kill(*pid);
            killed += 1;
        }
    }
    killed
}

#[test]
#[ignore = "takes minutes: cargo xtask soak"]
fn ten_thousand_submissions() {
    let limits = Limits { cpu_seconds: 0.4, wall_factor: 4.0, ..Limits::default() };
    let config = |start| SandboxConfig {
        start,
        retries: 3,
        limits: limits.clone(),
        ..SandboxConfig::default()
    };
    let census = Census::start().unwrap();
    let before = owned();
    let Some(warm) = sandbox(config(Start::Warm)) else { return };
    let fresh = sandbox(config(Start::Fresh)).unwrap();
    let start = Instant::now();
    let (mut first, mut infra) = (None, 0);
    for batch in 0..SUBMISSIONS / BATCH {
        let sandbox = if batch % 5 == 4 { &fresh } else { &warm };
        let jobs = jobs(batch);
        let list: Vec<Job> = jobs.iter().map(|(job, _)| job.clone()).collect();
        infra += check(&jobs, &sandbox.run_batch(&list));
        let now = owned();
        let waiting = zygotes(&census);
        println!(
            "{:6} submissions, {:.0} s, {now:?}, zygotes {waiting}",
            (batch + 1) * BATCH,
            start.elapsed().as_secs_f64()
        );
        // The first batches of both kinds load what stays.
        if batch == 4 {
            first = Some((now, waiting));
        }
    }
    assert_eq!(infra, 0);
    let ((first, first_waiting), last) = (first.unwrap(), owned());
    let waiting = zygotes(&census);
    assert!(
        first_waiting > 0 && waiting < first_waiting + ZYGOTE_SLACK,
        "{first_waiting} {waiting}"
    );
    // A worker may be between two judges, with two descriptors each.
    assert!(
        last.descriptors.abs_diff(first.descriptors) <= 4 * warm.workers(),
        "{first:?} {last:?}"
    );
    assert_eq!(last.mounts, before.mounts);
    assert!(last.memory < first.memory + MEMORY_SLACK, "{first:?} {last:?}");

    let (stop, killed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let infra = thread::scope(|scope| {
        scope.spawn(|| killed.store(assassin(&census, &stop), Ordering::Relaxed));
        let jobs = jobs(0);
        let list: Vec<Job> = jobs.iter().map(|(job, _)| job.clone()).collect();
        let outcomes = warm.run_batch(&list);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(outcomes.len(), list.len());
        check(&jobs, &outcomes)
    });
    assert!(killed.load(Ordering::Relaxed) > 0, "nothing was killed from outside");
    println!("{killed:?} processes killed from outside, {infra} of {BATCH} submissions `Infra`");
    drop((warm, fresh));
    assert_eq!(census.survivors().unwrap(), Vec::<u32>::new());
    assert_eq!(owned().descriptors, before.descriptors);
    println!("soak: {SUBMISSIONS} submissions, nothing left");
}
