//! Using up time, memory, processes, disk and output.

use std::time::{Duration, Instant};

use super::common::{add_suite, outcome, sandbox};
use super::none_passes;
use refire_sandbox::{Clock, Limits, Sandbox, SandboxConfig, Verdict};

/// Tight limits, so that the tests end soon. What computes must not meet the clock on a busy
/// machine.
fn tight(expected: &Verdict) -> Option<Sandbox> {
    let sleeps = matches!(expected, Verdict::Timeout { clock: Clock::Wall });
    let limits = Limits {
        cpu_seconds: 0.6,
        wall_factor: if sleeps { 2.0 } else { 60.0 },
        memory_bytes: 256 << 20,
        processes: 16,
        output_bytes: 1 << 20,
        disk_bytes: 4 << 20,
        ..Limits::default()
    };
    sandbox(SandboxConfig { limits, workers: Some(1), ..SandboxConfig::default() })
}

fn ends_as(program: &str, expected: &Verdict) {
    let Some(sandbox) = tight(expected) else { return };
    let start = Instant::now();
    let outcome = outcome(&sandbox, program, &add_suite());
    assert_eq!(outcome.verdict, *expected, "{program}");
    assert!(start.elapsed() < Duration::from_secs(40), "{program}: {:?}", start.elapsed());
}

#[test]
fn time() {
    let cpu = Verdict::Timeout { clock: Clock::Cpu };
    let wall = Verdict::Timeout { clock: Clock::Wall };
    ends_as("while True: pass", &cpu);
    ends_as("def add(a, b): return 9 ** 9 ** 9", &cpu);
    ends_as("import os\nfor _ in range(3): os.fork()\nwhile True: pass", &cpu);
    ends_as("import time\ntime.sleep(99)", &wall);
    ends_as(
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\nsignal.pause()",
        &wall,
    );
    ends_as("import os\ndef add(a, b): os.read(os.pipe()[0], 1)", &wall);
    ends_as(
        "import os, signal\ndef add(a, b):\n    p = os.fork()\n    if p == 0:\n        while True: signal.pause()\n    os.waitpid(p, 0)",
        &wall,
    );
}

#[test]
fn memory_and_output() {
    ends_as("x = bytearray(1 << 30)", &Verdict::MemoryLimit);
    ends_as("def add(a, b): return [0] * (1 << 30)", &Verdict::MemoryLimit);
    ends_as("import os\nwhile True: os.write(1, b'x' * 65536)", &Verdict::OutputLimit);
    ends_as(
        "import sys\ndef add(a, b):\n    while True: sys.stderr.write('x' * 65536)",
        &Verdict::OutputLimit,
    );
}

#[test]
fn many_processes_share_the_memory() {
    let program = "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n        x = bytearray(100 << 20)\n        time.sleep(20)\n        os._exit(0)\ntime.sleep(20)";
    ends_as(program, &Verdict::MemoryLimit);
}

/// What the kernel killed for one job is not held against the next.
#[test]
fn memory_is_each_jobs_own() {
    let hog = "import os\nfor _ in range(8):\n    if os.fork() == 0:\n        x = b'x' * (100 << 20)\n        while True: pass\nwhile True: pass";
    let Some(sandbox) = tight(&Verdict::MemoryLimit) else { return };
    for _ in 0..3 {
        let first = outcome(&sandbox, hog, &add_suite()).verdict;
        assert!(matches!(first, Verdict::MemoryLimit | Verdict::Timeout { .. }), "{first:?}");
        let next = outcome(&sandbox, "import os\nos._exit(3)", &add_suite()).verdict;
        assert!(matches!(next, Verdict::Crashed { .. }), "{next:?}");
    }
}

/// Pages that a process has shared and no longer looks at, and sockets that nobody reads, are
/// memory too.
#[test]
fn memory_that_is_nobodys() {
    let mapped = "import mmap, os, time\ndef child():\n    m = mmap.mmap(-1, 128 << 20)\n    for i in range(0, 128 << 20, 1 << 20):\n        m[i] = 1\n        m.madvise(mmap.MADV_DONTNEED)\n    time.sleep(20)\nfor _ in range(4):\n    if os.fork() == 0:\n        child(); os._exit(0)\ntime.sleep(20)";
    ends_as(mapped, &Verdict::MemoryLimit);
    let sockets = "import os, socket, time\nfor _ in range(12):\n    if os.fork() == 0:\n        s = []\n        try:\n            while True: s.append(socket.socketpair())\n        except OSError: time.sleep(20)\n        os._exit(0)\ntime.sleep(20)";
    ends_as(sockets, &Verdict::MemoryLimit);
}

#[test]
fn what_users_share_is_not_used_up() {
    none_passes(&[
        (
            "timers",
            "import ctypes\nl = ctypes.CDLL(None)\nt = ctypes.c_void_p()\nn = 0\nwhile n < 9999 and l.timer_create(0, None, ctypes.byref(t)) == 0: n += 1\nif n == 9999: print('LEAK')\ndef add(a, b): return None",
        ),
        (
            "inotify",
            "import ctypes\nl = ctypes.CDLL(None)\nif l.inotify_init() >= 0 or l.inotify_init1(0) >= 0: print('LEAK')\ndef add(a, b): return None",
        ),
        (
            "descriptors on their way",
            "import array, socket\nx, y = socket.socketpair()\ntry: x.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0]))]); print('LEAK')\nexcept OSError: pass\ndef add(a, b): return None",
        ),
    ]);
}

#[test]
fn whatever_else_runs_out() {
    none_passes(&[
        (
            "fork bomb",
            "import os, time\ntry:\n    while True:\n        if os.fork() == 0: time.sleep(9)\nexcept OSError: pass\ndef add(a, b): return None",
        ),
        (
            "threads",
            "import threading, time\ntry:\n    while True: threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\nexcept RuntimeError: pass\ndef add(a, b): return None",
        ),
        (
            "disk",
            "try:\n    with open('f', 'wb') as f:\n        while True: f.write(b'x' * (1 << 20))\nexcept OSError: pass\ndef add(a, b): return None",
        ),
        (
            "shared memory",
            "try:\n    with open('/dev/shm/f', 'wb') as f:\n        while True: f.write(b'x' * (1 << 20))\nexcept OSError: pass\ndef add(a, b): return None",
        ),
        (
            "files",
            "try:\n    for i in range(10 ** 6): open(str(i), 'w').close()\nexcept OSError: pass\ndef add(a, b): return None",
        ),
        (
            "descriptors",
            "import os\ntry:\n    while True: os.dup(1)\nexcept OSError: pass\ndef add(a, b): return None",
        ),
        (
            "pipes",
            "import os\ntry:\n    while True:\n        r, w = os.pipe(); os.set_blocking(w, False)\n        try:\n            while True: os.write(w, b'x' * 65536)\n        except BlockingIOError: pass\nexcept OSError: pass\ndef add(a, b): return None",
        ),
        ("endless iterator", "def add(a, b):\n    while True: yield 1"),
        ("wide value", "def add(a, b): return list(range(10 ** 6))"),
        (
            "endless repr",
            "class R:\n    def __repr__(s):\n        return 'x' * (1 << 28)\ndef add(a, b): return R()",
        ),
        ("colliding set", "def add(a, b): return {i * ((1 << 61) - 1) for i in range(3000)}"),
        ("huge integer", "def add(a, b): return 1 << 4000000"),
        ("long exception", "def add(a, b): raise ValueError('x' * (1 << 24))"),
        (
            "deep exception",
            "def add(a, b):\n    e = ValueError()\n    for _ in range(100000):\n        n = ValueError(); n.__cause__ = e; e = n\n    raise e",
        ),
    ]);
}
