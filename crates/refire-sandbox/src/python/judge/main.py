"""One job after the other, and the zygote that judges come from."""


def judge():
    """Jobs, one after the other, in one process; tests are trusted not to harm each other, and
    checked for it: a judge that a test has changed is replaced before the next job."""
    global SURROUNDINGS
    channel = _socket.socket(fileno=REPORT)
    SURROUNDINGS = surroundings()
    while True:
        header, fds = read_request(channel, 4)
        if len(header) != 4 or len(fds) != 1:
            posix._exit(0)
        if fds[0] != RPC:
            posix.dup2(fds[0], RPC)
            posix.close(fds[0])
        run_job(json.loads(read_exact(REPORT, int.from_bytes(header, "big"))))
        posix.close(RPC)


def run_job(job):
    global CALLS, ATTRIBUTES
    CALLS = 0
    ATTRIBUTES = job["suite"]["kind"] in ("asserts", "unittest")
    BORROWED.clear()
    limit_time()
    random.seed(0)
    decimal.setcontext(decimal.Context())
    suite = job["suite"]
    if suite["kind"] == "in_process":
        return run_in_process(suite, job["program"])
    if load(job["program"]):
        try:
            RUNNERS[suite["kind"]](suite, job["stop_at_first"])
        except BaseException as error:
            stop(raised=brief(error))


def limit_time():
    """A processor budget per job; a soft limit, since a hard one can't be raised again."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (used + SETTINGS["judge_seconds"], -1))


def prepare():
    resource.setrlimit(resource.RLIMIT_AS, (SETTINGS["judge_memory"],) * 2)


REHEARSAL = {
    "prelude": "from typing import List\nimport math\n",
    "entry_point": "f",
    "test": """
METADATA = {'author': 'a'}
def check(candidate):
    assert candidate([1.5, 2], 'a') == [3, (4,)], "message"
    for i in range(3):
        assert abs(candidate(i, x=1) - i) < 1e-6
""",
}


def rehearse():
    """Walks the paths every test takes; see the candidate's."""
    global REPORT
    kept, REPORT = REPORT, posix.open("/dev/null", posix.O_WRONLY)
    for _ in range(20):
        try:
            check, _ = read_check(REHEARSAL, Cases(False))
            check(lambda x, *a, **k: [3, (4,)] if a else x)
        except AssertionError:
            pass
        parts = []
        encode(("f", ([1.5, 2], "a"), {}, has_mutable(([1],))), parts)
        decode(b"".join(parts), Object)
        brief(rebuild(("ValueError", "Exception"), "no"))
        Function("f"), Lazy("g"), json.loads('{"suite": {"kind": "check"}}')
    posix.close(REPORT)
    REPORT = kept
    BORROWED.clear()


def fork():
    return raw_fork(LIBC, SETTINGS["syscalls"]["clone"], 17)  # SIGCHLD


with open(sys.argv[1]) as file:
    SETTINGS = json.load(file)

import gc

LIBC = ctypes.CDLL(None)
LIBC.syscall.restype = LONG
rehearse()
# All but this program, whose own names change.
PRISTINE = [(sys.modules["__main__"], vars(sys.modules["__main__"]))] + [
    (module, dict(vars(module))) for name, module in sys.modules.items() if name != "__main__"
]
CONTENTS = contents_of(module for module, _ in PRISTINE[1:])
gc.collect()
gc.freeze()
run(3, fork, prepare, judge)
