//! Trying to be nobody's fault: what a program does to itself is a verdict on it.

use std::sync::Arc;

use super::common::{add_suite, sandbox, small};
use super::{none_passes, none_passes_suite};
use refire_sandbox::{Cpp, Job, Layer, Require, SandboxConfig, Start, StdioCase, Suite, Verdict};

const LIMITS: &[(&str, &str)] = &[
    (
        "one second of its own",
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass",
    ),
    (
        "no second of its own",
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (0, 0))\nwhile True: pass",
    ),
    (
        "one second when called",
        "import resource\ndef add(a, b):\n    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\n    while True: pass",
    ),
    (
        "a limit from a child",
        "import os, resource\nif os.fork() == 0:\n    resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))\n    os._exit(0)\nwhile True: pass",
    ),
];

const REST: &[(&str, &str)] = &[
    (
        "a hard limit and an ignored signal",
        "import resource, signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass",
    ),
    (
        "kills itself",
        "import os\nos.kill(os.getpid(), 9)\nos.kill(1, 9)\nos.kill(-1, 9)\nos.abort()",
    ),
    (
        "sends itself everything",
        "import os\nfor s in range(1, 65):\n    try: os.kill(os.getpid(), s)\n    except OSError: pass\nos._exit(3)",
    ),
    (
        "is killed by a child",
        "import os, signal\nif os.fork() == 0:\n    for p in (1, os.getppid(), 0, -1):\n        try: os.kill(p, 9)\n        except OSError: pass\n    os._exit(0)\nos.wait()\nos._exit(3)",
    ),
    (
        "a handle on itself",
        "import os, signal\nf = os.pidfd_open(os.getpid())\nsignal.pidfd_send_signal(f, 9)\nos._exit(3)",
    ),
    (
        "dies with its parent",
        "import ctypes, os, time\nctypes.CDLL(None).prctl(1, 9, 0, 0, 0)\nif os.fork() == 0:\n    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)\n    time.sleep(1)\nos._exit(9)",
    ),
    (
        "a strict filter",
        "import ctypes\nctypes.CDLL(None).prctl(22, 1, 0, 0, 0)\nopen('x', 'w')\ndef add(a, b): return None",
    ),
    (
        "a timer that kills",
        "import ctypes, os, struct, time\nl = ctypes.CDLL(None)\ne = ctypes.create_string_buffer(struct.pack('QiiQ', 0, 9, 0, 0) + bytes(64))\nt = ctypes.c_void_p()\nl.timer_create(0, e, ctypes.byref(t))\nl.timer_settime(t, 0, struct.pack('qqqq', 0, 1000, 0, 1000), None)\ntime.sleep(0.2)\nos._exit(3)",
    ),
    (
        "a pipe that kills",
        "import fcntl, os\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETOWN, os.getpid())\nfcntl.fcntl(r, 10, 9)\nfcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)\nos.write(w, b'x')\nos._exit(3)",
    ),
    (
        "no limits left",
        "import resource\nfor r in range(16):\n    if r not in (0,):\n        try: resource.setrlimit(r, (0, 0))\n        except (OSError, ValueError): pass\ndef add(a, b): return [0] * 10 ** 7",
    ),
    (
        "a program too large for its limits",
        "import os, resource, sys\nresource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20))\nos.execv('/bin/sh', ['sh', '-c', 'true'])",
    ),
    (
        "a program without a stack",
        "import os, resource\nresource.setrlimit(resource.RLIMIT_STACK, (4096, 4096))\nos.execv('/bin/sh', ['sh', '-c', 'true'])",
    ),
    (
        "becomes another program",
        "import os\nos.execv('/bin/sh', ['sh', '-c', 'kill -9 1; kill -9 $$; exit 9'])",
    ),
    ("a trap", "import ctypes\nctypes.string_at(0)"),
    ("a closed line", "import os\nos.close(3)\ndef add(a, b): return 3"),
    (
        "a line that says nothing",
        "import os\nos.write(3, b'')\nos.dup2(os.open('/dev/null', 2), 3)\ndef add(a, b): return 3",
    ),
];

#[test]
fn limits_of_its_own() {
    none_passes(LIMITS);
}

#[test]
fn signals_and_other_ends() {
    none_passes(REST);
}

/// The same where programs read and print.
#[test]
fn limits_of_its_own_as_a_program() {
    let case = StdioCase { input: "1".into(), output: "1".into() };
    let suite = Suite::Stdio { cases: vec![case], comparator: Default::default() };
    none_passes_suite(LIMITS, &suite);
    none_passes_suite(REST, &suite);
}

/// Without the filter of system calls, too.
#[test]
fn limits_of_its_own_without_a_filter() {
    // A machine without the other layers would run nothing.
    if small().is_none() {
        return;
    }
    let config = SandboxConfig {
        start: Start::Fresh,
        require: Require::Relaxed,
        without: vec![Layer::Seccomp],
        ..SandboxConfig::default()
    };
    let Some(sandbox) = sandbox(config) else { return };
    let jobs: Vec<Job> =
        LIMITS.iter().map(|(_, program)| Job::new(*program, add_suite())).collect();
    for (outcome, (name, _)) in sandbox.run_batch(&jobs).iter().zip(LIMITS) {
        assert!(
            matches!(outcome.verdict, Verdict::Timeout { .. }),
            "{name}: {:?}",
            outcome.verdict
        );
    }
}

/// Tests that ask for more than calls: an answer that breaks them is the submission's.
#[test]
fn tests_broken_by_an_answer() {
    let unittest = |test: &str| Suite::Unittest { test: test.into(), module: "solution".into() };
    let suites = [
        unittest(
            "import unittest\nimport solution\nLIMIT = solution.add.limit\nclass T(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(solution.add(1, 2), 3)\n",
        ),
        Suite::check(
            "add",
            "LIMIT = 2 * add.limit\ndef check(candidate):\n    assert candidate(1, 2) == 3\n",
        ),
    ];
    let programs = [
        ("without what is asked for", "def add(a, b): return 3"),
        ("of another name", "def sub(a, b): return 3"),
        ("of another type", "class add: limit = None"),
        (
            "that raises",
            "class M(type):\n    def __getattr__(s, n): raise ValueError\nclass add(metaclass=M): pass",
        ),
    ];
    for suite in suites {
        none_passes_suite(&programs, &suite);
    }
}

/// Answers that the judge can't bear.
#[test]
fn a_judge_broken_by_an_answer() {
    let hoard = "HELD = []\ndef check(candidate):\n    for i in range(200):\n        HELD.append(candidate(i, i))\n    assert HELD[0] == 1\n";
    none_passes_suite(
        &[("answers that grow", "def add(a, b): return [set() for _ in range(250000)]")],
        &Suite::check("add", hoard),
    );
    let deep = "import sys\nsys.setrecursionlimit(10 ** 9)\ndef down(n):\n    class R:\n        def __repr__(s):\n            return repr(s)\n    return 0 if n == 0 else repr(R())\ndef check(candidate):\n    assert down(candidate(1, 2)) == 0\n";
    none_passes_suite(
        &[("an answer too deep", "def add(a, b): return 1")],
        &Suite::check("add", deep),
    );
}

#[test]
fn a_program_too_long_to_read() {
    let Some(sandbox) = small() else { return };
    let program = "#".repeat(70 << 20);
    let case = StdioCase { input: "1".into(), output: "1".into() };
    let stdio = Suite::Stdio { cases: vec![case], comparator: Default::default() };
    for suite in [add_suite(), stdio] {
        let verdict = sandbox.run(&Job::new(program.clone(), suite)).verdict;
        assert!(matches!(verdict, Verdict::CompileError { .. }), "{verdict:?}");
    }
}

/// Compiled programs that can't even be started.
#[test]
fn compiled_programs_that_cannot_run() {
    let Some(sandbox) = small() else { return };
    let case = StdioCase { input: "1".into(), output: "1".into() };
    let suite = Arc::new(Suite::Stdio { cases: vec![case], comparator: Default::default() });
    let run = |program: &str| {
        let language = Arc::new(Cpp::default());
        sandbox.run(&Job { language, ..Job::new(program, Arc::clone(&suite)) }).verdict
    };
    if let Verdict::Infra { reason, .. } = run("int main() {}") {
        assert!(reason.contains("is not installed"), "{reason}");
        println!("skipped: {reason}");
        return;
    }
    for program in [
        "__attribute__((section(\".interp\"))) extern const char interp[] = \"/nowhere\";\nint main() {}",
        "static char big[1L << 33];\nint main() { big[5] = 1; }",
        "#include <sys/resource.h>\nint main() { rlimit l = {1, 1}; setrlimit(RLIMIT_CPU, &l); for (;;) {} }",
        "#include <csignal>\n#include <unistd.h>\nint main() { kill(getpid(), 9); kill(1, 9); raise(6); return 9; }",
        "#include \"/dev/stdin\"\nint main() {}",
        "#include \"/dev/zero\"\nint main() {}",
    ] {
        let verdict = run(program);
        assert!(!verdict.is_passed() && !verdict.is_infra(), "{program}: {verdict:?}");
    }
}
