//! What is left when a sandbox is gone: nothing. The only test of its process, since it counts what
//! the process owns.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{add_suite, kill, sandbox};
use refire_sandbox::{
    Census, Job, Limits, Sandbox, SandboxConfig, Start, StdioCase, Suite, Verdict,
};
use std::collections::BTreeSet;
use std::fs::{read_dir, read_to_string};

const PROGRAMS: &[&str] = &[
    "def add(a, b): return a + b",
    "def add(a, b): return None",
    "import os\nos._exit(0)",
    "import os\nfor _ in range(5): os.fork()\ndef add(a, b): return 0",
    "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(60)\n    os._exit(0)\ndef add(a, b): return 0",
    "import signal, time\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True: time.sleep(1)",
    "import os\nopen('/tmp/left', 'w').write('x')\nopen('/dev/shm/left', 'w').write('x')\ndef add(a, b): return 0",
    "import subprocess\np = [subprocess.Popen(['sleep', '60'], start_new_session=True) for _ in range(5)]\ndef add(a, b): return 0",
    "import threading, time\nfor _ in range(5): threading.Thread(target=time.sleep, args=(60,)).start()\ndef add(a, b): return 0",
    "x = bytearray(1 << 31)",
    "while True: pass",
];

fn names(folder: &str) -> BTreeSet<String> {
    let entries = read_dir(folder).map(|all| all.flatten().collect()).unwrap_or_else(|_| vec![]);
    entries.iter().map(|entry| entry.path().display().to_string()).collect()
}

/// Everything a run could leave: descriptors, mounts, groups, files.
fn belongings() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for folder in [".", "/dev/shm", "/tmp", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/memory"] {
        all.extend(names(folder));
    }
    all.extend(read_to_string("/proc/self/mountinfo").unwrap().lines().map(str::to_owned));
    all
}

fn jobs() -> Vec<Job> {
    let case = StdioCase { input: "1".into(), output: "1".into() };
    let stdio = Suite::Stdio { cases: vec![case], comparator: Default::default() };
    let mut jobs: Vec<Job> =
        PROGRAMS.iter().map(|program| Job::new(*program, add_suite())).collect();
    jobs.extend(PROGRAMS.iter().map(|program| Job::new(*program, stdio.clone())));
    jobs
}

fn config(start: Start) -> SandboxConfig {
    let limits = Limits { cpu_seconds: 0.5, wall_factor: 2.0, ..Limits::default() };
    SandboxConfig { limits, start, ..SandboxConfig::default() }
}

#[test]
fn nothing() {
    let census = Census::start().unwrap();
    // The first sandbox may load what stays.
    let Some(first) = sandbox(config(Start::Warm)) else { return };
    drop(first);
    let (before, open) = (belongings(), names("/proc/self/fd").len());
    for start in [Start::Warm, Start::Fresh] {
        let sandbox = sandbox(config(start)).unwrap();
        let outcomes = sandbox.run_batch(&jobs());
        assert!(outcomes[0].verdict.is_passed());
        assert!(outcomes[1..].iter().all(|outcome| !outcome.verdict.is_passed()));
        drop(sandbox);
        assert_eq!(census.survivors().unwrap(), Vec::<u32>::new(), "{start:?}");
        let after = belongings();
        let ours: Vec<_> = after.difference(&before).filter(|name| is_ours(name)).collect();
        assert!(ours.is_empty(), "{start:?} left {ours:?}");
        assert_eq!(names("/proc/self/fd").len(), open, "{start:?}");
    }
    killed_from_outside(&census);
}

/// Others use the machine too, and other sandboxes: a cgroup's name holds the process it is of.
fn is_ours(name: &str) -> bool {
    let own = format!("/refire-{}-", std::process::id());
    let foreign = name.starts_with("/sys/fs/cgroup") && !name.contains(&own);
    !foreign && ["refire", "left", "escape"].iter().any(|part| name.contains(part))
}

/// Killing everything below us between jobs loses no job and scores none wrongly.
fn killed_from_outside(census: &Census) {
    let sandbox: Sandbox =
        sandbox(SandboxConfig { retries: 1, workers: Some(1), ..SandboxConfig::default() })
            .unwrap();
    let job = Job::new("def add(a, b): return a + b", add_suite());
    for round in 0..5 {
        assert_eq!(sandbox.run(&job).verdict, Verdict::Passed, "round {round}");
        for pid in census.survivors().unwrap() {
            // Some end with their parents before it is their turn.
            kill(pid);
        }
    }
    let once = sandbox_without_retries();
    assert_eq!(once.run(&job).verdict, Verdict::Passed);
    for pid in census.survivors().unwrap() {
        kill(pid);
    }
    let verdict = once.run(&job).verdict;
    assert!(matches!(verdict, Verdict::Infra { retry: true, .. } | Verdict::Passed), "{verdict:?}");
    assert_eq!(once.run(&job).verdict, Verdict::Passed);
}

fn sandbox_without_retries() -> Sandbox {
    Sandbox::new(SandboxConfig { workers: Some(1), ..SandboxConfig::default() }).unwrap()
}
