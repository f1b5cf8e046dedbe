"""The candidate's zygote: each child is the first process of namespaces of its own, confined like
a fresh one before it reads its first byte.
"""
import gc
import resource

# What programs import most; a warm interpreter has them ready.
import array, bisect, collections, copy, datetime, decimal, enum, fractions, functools, heapq
import io, itertools, json, math, operator, os, queue, random, re, statistics, string, struct
import textwrap, threading, time, types, typing

class Confinement:
    """System calls prepared by the parent, so that a child only has to make them."""

    def __init__(self, settings):
        self.settings = settings
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.syscall.restype = LONG
        numbers = settings["syscalls"]
        self.nr = numbers
        self.filter = ctypes.create_string_buffer(bytes.fromhex(settings["seccomp"]))
        count = (len(self.filter) - 1) // 8
        self.program = ctypes.create_string_buffer(
            struct.pack("@HxxxxxxQ", count, ctypes.addressof(self.filter))
        )
        self.landlock = settings["landlock"]
        if self.landlock:
            self.ruleset = ctypes.create_string_buffer(struct.pack("=QQQ", *self.landlock["handled"]))
        self.header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0))
        self.no_caps = ctypes.create_string_buffer(bytes(24))

    def call(self, name, *args):
        result = self.libc.syscall(
            LONG(self.nr[name]),
            *(LONG(a) if isinstance(a, int) else a for a in args),
        )
        if result < 0:
            raise OSError(ctypes.get_errno(), name)
        return result

    def fork(self):
        return raw_fork(self.libc, self.nr["clone"], self.settings["clone_flags"])

    def mount(self, kind, target, options, flags):
        self.call("mount", kind, target, kind, flags, options)

    def apply(self):
        nosuid_nodev = 2 | 4
        for options in (b"subset=pid", None):
            try:
                self.mount(b"proc", b"/proc", options, nosuid_nodev | 8)
                break
            except OSError:
                pass
        self.mount(b"tmpfs", b"/tmp", self.settings["scratch"].encode(), nosuid_nodev)
        posix.chdir("/tmp")
        for number, limit in self.settings["rlimits"]:
            resource.setrlimit(number, (limit, limit))
        try:
            fd = posix.open("/proc/self/oom_score_adj", posix.O_WRONLY)
            posix.write(fd, b"1000")
            posix.close(fd)
        except OSError:
            pass
        for capability in self.settings["capabilities"]:
            self.call("prctl", 24, capability, 0, 0, 0)
        self.call("capset", self.header, self.no_caps)
        if self.landlock:
            self.restrict()
        # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        self.call("prctl", 22, 2, self.program, 0, 0)

    def restrict(self):
        ruleset = self.call("landlock_create_ruleset", self.ruleset, self.landlock["size"], 0)
        for path, access in self.landlock["rules"]:
            fd = posix.open(path, posix.O_PATH | posix.O_CLOEXEC)
            self.call("landlock_add_rule", ruleset, 1, struct.pack("=Qi", access, fd), 0)
            posix.close(fd)
        self.call("landlock_restrict_self", ruleset, 0)
        posix.close(ruleset)


REHEARSAL = """import math
from typing import List
def f(x: List[int], y='a'):
    return [n + 1 for n in x if n > 0] + [y]
"""


def rehearse(confinement):
    """Walks the paths every submission takes: what they set up is there before the fork, and
    each child has that much less memory to copy."""
    for _ in range(20):
        server = Server()
        for op, request in ((b"L", REHEARSAL), (b"C", ("f", ([1, 2], "b"), {}, True))):
            parts = [op]
            encode(request, parts)
            server.answer(b"".join(parts))
        parts = []
        encode((1.5, {"a": (None, True)}, {1}), parts)
        decode(b"".join(parts))
        confinement.call("prctl", 3, 0, 0, 0, 0)
    del sys.modules["submission"]


def main():
    with open(sys.argv[1]) as file:
        confinement = Confinement(json.load(file))
    add_site_builtins()
    rehearse(confinement)
    gc.collect()
    gc.freeze()
    run(0, confinement.fork, confinement.apply, serve)


main()
