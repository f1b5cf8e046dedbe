"""The judge: runs trusted tests, and asks the candidate on descriptor 3 for results.

It never compiles, imports or unpickles anything of the submission. Whatever the candidate sends is
decoded to exact built-in values, so that comparisons mean what they say. What breaks the protocol
ends the judge at once, before a test could catch it.
"""
import _locale
import _signal
import _thread
import ast
import builtins
import json
import random
import resource
import sys

# What tests import most.
import bisect, collections, copy, datetime, decimal, fractions, functools, heapq, itertools, math
import operator, os, re, statistics, string, time, types, typing, unittest

RPC = 3
REPORT = 4
MAX_REPLY = (1 << 20) + 1024
CALLS = 0
BORROWED = {}


def report(**what):
    # Lone surrogates, which a submission may well send, are no characters elsewhere.
    what = {k: clean(v) if type(v) is str else v for k, v in what.items()}
    data = json.dumps(what).encode() + b"\n"
    while data:
        data = data[posix.write(REPORT, data) :]


def clean(text):
    return text[:600].encode("utf-8", "replace").decode()


def conclude(**what):
    """The last word on a job."""
    report(calls=CALLS, borrowed=sorted(BORROWED), retire=not is_pristine(), **what)


def stop(**what):
    """The last word on a job, from within a test, which can't catch this."""
    report(calls=CALLS, borrowed=sorted(BORROWED), retire=True, **what)
    posix._exit(0)


def brief(error):
    """A sentence on an error, for a person."""
    try:
        text = str(error)
    except BaseException:
        text = ""
    name = type(error).__name__
    return ("%s: %s" % (name, text) if text else name)[:500]


# Errors that mean something to the language itself: inside `map` or a generator, StopIteration
# would end a test silently. They arrive as RuntimeError.
NOT_RAISED = ("StopIteration", "StopAsyncIteration")


def rebuild(names, message):
    """The nearest built-in exception of a class the candidate names."""
    for name in names:
        if name in NOT_RAISED:
            return RuntimeError("the submission raised %s" % name)
        kind = getattr(builtins, name, None) if type(name) is str else None
        if isinstance(kind, type) and issubclass(kind, Exception):
            try:
                return kind(message)
            except TypeError:
                continue
    return None


def ask(op, request):
    """One question and its answer."""
    global CALLS
    if op == b"C" or op == b"G":
        CALLS += 1
        if CALLS == 1:
            # From here on, what becomes of the judge may be the submission's doing.
            report(asked=True)
    parts = [op]
    try:
        encode(request, parts, wrap=unwrap)
    except Unsupported as error:
        stop(unsupported="an argument: %s" % error)
    nonce = posix.urandom(8)
    try:
        write_frame(RPC, nonce, b"".join(parts))
        echoed, body = read_frame(RPC, MAX_REPLY)
    except OverflowError:
        stop(fault="violation", reason="a reply of impossible size")
    except (EOFError, OSError):
        stop(fault="exit", reason="the process ended while it was asked")
    if echoed != nonce:
        stop(fault="violation", reason="a reply that answers no question")
    kind = body[:1]
    if kind == b"U":
        return fail_unsupported(body[1:300].decode("utf-8", "replace"))
    try:
        answer = decode(body[1:], Object)
        if kind == b"X":
            names, message = answer
            if type(names) is not tuple or type(message) is not str:
                raise ValueError("an exception of another shape")
        elif kind != b"V" or type(answer) is not tuple or len(answer) != 2:
            raise ValueError("a reply of another shape")
    except (ValueError, TypeError, RecursionError, OverflowError, MemoryError) as error:
        stop(fault="violation", reason="a reply that can't be read: %s" % brief(error))
    if kind == b"V":
        return answer
    if "MemoryError" in names:
        report(memory=True)
    error = rebuild(names, message)
    if error is None:
        stop(fault="exit", reason="the submission raised %s" % (names[0] if names else "nothing"))
    raise error


def fail_unsupported(what):
    raise TypeError("the submission returned %s, which has no exact value" % what)


def write_back(old, new):
    """Gives an argument the contents the candidate left in its copy."""
    kind = type(old)
    if kind is not type(new):
        return
    if kind is list or kind is bytearray:
        old[:] = new
    elif kind is dict or kind is set:
        old.clear()
        old.update(new)
    elif kind is tuple:
        for a, b in zip(old, new):
            write_back(a, b)


def has_mutable(values):
    return any(type(v) in (list, dict, set, bytearray) or type(v) is tuple and has_mutable(v) for v in values)


def call(target, args, kwargs):
    value, changed = ask(b"C", (target, args, kwargs, has_mutable(args)))
    if type(changed) is tuple and len(changed) == len(args):
        for old, new in zip(args, changed):
            write_back(old, new)
    return value


class Function:
    """A function of the candidate, by name."""

    def __init__(self, name):
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args, **kwargs):
        return call(self.__name__, args, kwargs)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value, _ = ask(b"G", (None, self.__name__))
        return getattr(value, name)


class Object:
    """Something of the candidate that has no exact value. It can be called, and is equal to nothing
    but itself, whatever its class says.

    Where tests make objects of the submission's classes, it can be asked for attributes too. Not for
    those by which text and collections answer questions: they see the expected answer, and a
    submission's would always be yes. That is also why there is no `in`: it looks at the values.
    """

    __slots__ = ("_handle",)

    def __init__(self, handle):
        object.__setattr__(self, "_handle", handle)

    def __call__(self, *args, **kwargs):
        return call(self._handle, args, kwargs)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name in QUESTIONS or not ATTRIBUTES:
            raise TypeError("the submission returned an object, which can't be asked for %r" % name)
        return ask(b"G", (self._handle, name))[0]

    def _method(self, name, *args):
        if not ATTRIBUTES:
            raise TypeError("the submission returned an object, which has no exact value")
        return call(ask(b"G", (self._handle, name))[0]._handle, args, {})

    def __len__(self):
        return exactly(int, self._method("__len__"))

    def __getitem__(self, key):
        return self._method("__getitem__", key)

    def __iter__(self):
        result = self._method("__iter__")
        if isinstance(result, Object):
            raise TypeError("the submission's iterator has no exact values")
        return iter(result)

    def __str__(self):
        return exactly(str, self._method("__str__"))

    __repr__ = __str__

    def __bool__(self):
        raise TypeError("an object of the submission is neither true nor false")


ATTRIBUTES = False
QUESTIONS = frozenset(
    name
    for kind in (str, bytes, tuple, frozenset, int, float)
    for name in dir(kind)
    if not name.startswith("_")
)


def exactly(kind, value):
    if type(value) is not kind:
        raise TypeError("the submission returned %s, not %s" % (type(value).__name__, kind.__name__))
    return value


def unwrap(value):
    if type(value) is Object:
        return value._handle
    if type(value) is Function:
        return ask(b"G", (None, value.__name__))[0]._handle
    raise Unsupported("a value of type %s" % type(value).__name__)


def load(program):
    """Lets the candidate load the submission; whether it did."""
    try:
        if posix.read(RPC, 1) != b"R":
            raise EOFError
    except (EOFError, OSError):
        stop(infra="the candidate did not start")
    try:
        ask(b"L", program)
        return True
    except SyntaxError as error:
        conclude(compile=brief(error))
    except ValueError as error:
        # Zero bytes are a ValueError of the compiler.
        what = "compile" if "null byte" in str(error) else "load"
        conclude(**{what: brief(error)})
    except Exception as error:
        conclude(load=brief(error))
    return False


class Recorder(ast.NodeTransformer):
    """Makes every `assert` record itself and go on. One inside a `try` is left alone: there,
    failing may be what is wanted."""

    def __init__(self):
        self.count = 0

    def visit_Try(self, node):
        return node

    visit_TryStar = visit_Try

    def visit_With(self, node):
        return node

    def visit_Assert(self, node):
        number = self.count
        self.count += 1
        record = lambda name, *args: ast.Expr(
            ast.Call(ast.Name(name, ast.Load()), [ast.Constant(number), *args], [])
        )
        handler = ast.ExceptHandler(
            ast.Name("__refire_any__", ast.Load()),
            "__refire_error__",
            [record("__refire_failed__", ast.Name("__refire_error__", ast.Load()))],
        )
        new = ast.Try([node], [handler], [record("__refire_held__")], [])
        for part in ast.walk(new):
            if part is not node and not hasattr(part, "lineno") and hasattr(part, "_attributes"):
                part.lineno = node.lineno
                part.col_offset = node.col_offset
                part.end_lineno = node.lineno
                part.end_col_offset = node.col_offset
        return new


class Cases:
    def __init__(self, stop_at_first):
        self.held = {}
        self.failed = {}
        self.stop_at_first = stop_at_first

    def pass_one(self, number):
        if number not in self.held and number not in self.failed:
            report(case=number, ok=True)
            self.held[number] = True

    def fail_one(self, number, error):
        if isinstance(error, (SystemExit, KeyboardInterrupt, GeneratorExit)):
            raise error
        if number not in self.failed:
            self.failed[number] = True
            report(case=number, ok=False, reason=brief(error))
        return self.stop_at_first

    def fail_inside(self, number, error):
        """As `fail_one`, from within a test: the only way out of it is to end the judge."""
        if self.fail_one(number, error):
            stop(done=True)


def namespace(cases):
    return {
        "__name__": "__test__",
        "__builtins__": builtins,
        "__refire_any__": BaseException,
        "__refire_held__": cases.pass_one,
        "__refire_failed__": cases.fail_inside,
    }


def names_in(code, found):
    found.update(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            names_in(constant, found)
    return found


def borrow(scope, code, kind):
    """Binds the names that neither the test nor the language defines: modules of the standard
    library to themselves, all others to the candidate's."""
    for name in sorted(names_in(code, set())):
        if name in scope or hasattr(builtins, name) or name.startswith("__"):
            continue
        if name in LIBRARY:
            scope[name] = Module(name)
        else:
            scope[name] = kind(name)


LIBRARY = getattr(sys, "stdlib_module_names", frozenset(("math", "re", "collections", "itertools")))


class Lazy(Function):
    """A name borrowed from the candidate, noted when it is used."""

    def __call__(self, *args, **kwargs):
        BORROWED[self.__name__] = True
        return super().__call__(*args, **kwargs)


class Module(Function):
    """A module the tests use without importing it, imported when they do: never the candidate's.
    A function may have the name of a module; only modules are asked for attributes."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        import importlib

        return getattr(importlib.import_module(self.__name__), name)


def run_source(source, scope, name):
    """Runs helpers and tests in one scope; names still open are the candidate's."""
    exec(compile(source, name, "exec", dont_inherit=True), scope)


def compile_recorded(source, recorder, name):
    tree = recorder.visit(ast.parse(source, name))
    return compile(tree, name, "exec", dont_inherit=True)


def read_check(suite, cases):
    """The function `check`, recorded, and how many tests it has."""
    recorder = Recorder()
    scope = namespace(cases)
    if suite["prelude"]:
        run_source(suite["prelude"], scope, "<prelude>")
    code = compile_recorded(suite["test"], recorder, "<test>")
    scope[suite["entry_point"]] = Function(suite["entry_point"])
    borrow(scope, code, Lazy)
    report(plan=max(recorder.count, 1))
    exec(code, scope)
    check = scope.get("check")
    if not callable(check) or isinstance(check, Function):
        raise NameError("the test defines no function `check`")
    return check, recorder.count


def run_check(suite, stop_at_first):
    cases = Cases(stop_at_first)
    try:
        check, count = read_check(suite, cases)
    except Exception as error:
        stop(broken="the test can't be read: %s" % brief(error))
    try:
        check(Function(suite["entry_point"]))
    except Exception as error:
        return conclude(raised=brief(error))
    finish(cases, count)


def run_asserts(suite, stop_at_first):
    cases = Cases(stop_at_first)
    scope = namespace(cases)
    report(plan=len(suite["tests"]))
    try:
        if suite["prelude"]:
            run_source(suite["prelude"], scope, "<prelude>")
        codes = [compile(test, "<test>", "exec", dont_inherit=True) for test in suite["tests"]]
        for code in codes:
            borrow(scope, code, Function)
    except Exception as error:
        stop(broken="the tests can't be read: %s" % brief(error))
    for number, code in enumerate(codes):
        try:
            exec(code, scope)
        except Exception as error:
            if cases.fail_one(number, error):
                break
        else:
            cases.pass_one(number)
    finish(cases, len(codes))


def finish(cases, count):
    """The end of a test that ran through. One without an `assert` speaks by not raising."""
    if count == 0:
        cases.pass_one(0)
    conclude(done=True)


def equal(expected, found, tolerance):
    """JSON's idea of equality: tuples are arrays, and keys are strings."""
    if type(found) is tuple:
        found = list(found)
    if type(expected) is list:
        return (
            type(found) is list
            and len(expected) == len(found)
            and all(equal(e, f, tolerance) for e, f in zip(expected, found))
        )
    if type(expected) is dict:
        if type(found) is not dict or len(expected) != len(found):
            return False
        by_text = {k if type(k) is str else json_key(k): v for k, v in found.items()}
        return expected.keys() == by_text.keys() and all(
            equal(v, by_text[k], tolerance) for k, v in expected.items()
        )
    if type(expected) is bool or type(found) is bool:
        return expected is found
    if type(expected) in (int, float) and type(found) in (int, float):
        if expected == found:
            return True
        absolute, relative = tolerance
        if type(expected) is float and expected != expected:
            return type(found) is float and found != found
        if not absolute and not relative:
            return False
        try:
            return abs(found - expected) <= absolute + relative * abs(expected) < float("inf")
        except OverflowError:
            return False
    return type(expected) is type(found) and expected == found


def json_key(key):
    if key is True:
        return "true"
    if key is False:
        return "false"
    return "null" if key is None else repr(key)


def run_calls(suite, stop_at_first):
    cases = Cases(stop_at_first)
    report(plan=len(suite["cases"]))
    tolerance = (suite["tolerance"]["absolute"], suite["tolerance"]["relative"])
    for number, case in enumerate(suite["cases"]):
        if type(case["args"]) is not list:
            stop(broken="the arguments of call %d are no JSON array" % number)
        try:
            found = call(suite["entry_point"], tuple(case["args"]), {})
            if equal(case["expected"], found, tolerance):
                cases.pass_one(number)
                continue
            error = AssertionError("expected %.200r, found %.200r" % (case["expected"], found))
        except Exception as raised:
            error = raised
        if cases.fail_one(number, error):
            break
    finish(cases, len(suite["cases"]))


def run_unittest(suite, stop_at_first):
    class Result(unittest.TestResult):
        def __init__(self):
            super().__init__()
            self.bad = {}

        def addError(self, test, err):
            self.bad[test] = err[1]

        addFailure = addError

        def addSubTest(self, test, subtest, err):
            if err is not None:
                self.bad[test] = err[1]

        def addUnexpectedSuccess(self, test):
            self.bad[test] = AssertionError("an unexpected success")

    cases = Cases(stop_at_first)
    module = type(sys)(suite["module"])
    module.__getattr__ = lambda name: missing(name) if name.startswith("__") else Function(name)
    sys.modules[suite["module"]] = module
    tests_module = type(sys)("__test__")
    scope = tests_module.__dict__
    try:
        code = compile(suite["test"], "<test>", "exec", dont_inherit=True)
        borrow(scope, code, Function)
        exec(code, scope)
        found = []
        collect(unittest.defaultTestLoader.loadTestsFromModule(tests_module), found)
    except Exception as error:
        stop(broken="the tests can't be read: %s" % brief(error))
    if not found:
        stop(broken="the file has no test")
    report(plan=len(found))
    for number, test in enumerate(found):
        result = Result()
        unittest.TestSuite([test]).run(result)
        if result.bad:
            if cases.fail_one(number, next(iter(result.bad.values()))):
                break
        elif result.testsRun == 1 and not result.skipped:
            cases.pass_one(number)
    conclude(done=True)


def missing(name):
    raise AttributeError(name)


def collect(suite, found):
    for test in suite:
        if hasattr(test, "__iter__"):
            collect(test, found)
        else:
            found.append(test)


def run_in_process(suite, program):
    """Weak: the submission runs the test itself, and says how it went."""
    global CALLS
    report(plan=1)
    CALLS = 1
    try:
        if posix.read(RPC, 1) != b"R":
            raise EOFError
    except (EOFError, OSError):
        stop(infra="the candidate did not start")
    try:
        ask(b"T", (program, suite["test"]))
    except SyntaxError as error:
        return conclude(compile=brief(error))
    except Exception as error:
        report(case=0, ok=False, reason=brief(error))
        return conclude(done=True)
    report(case=0, ok=True)
    conclude(done=True)


RUNNERS = {"check": run_check, "asserts": run_asserts, "calls": run_calls, "unittest": run_unittest}


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


def is_pristine():
    """Whether the interpreter is as it was before the first job: names, what containers and classes
    of modules hold, and what the interpreter and the process keep elsewhere. What can't be compared
    has changed."""
    try:
        return (
            len(sys.modules) == len(PRISTINE)
            and all(vars(module) == before for module, before in PRISTINE)
            and all(now == before for now, before in CONTENTS)
            and surroundings() == SURROUNDINGS
        )
    except Exception:
        return False


def contents_of(modules):
    """Containers and classes that modules name, each with a copy of what it holds. Not caches, which
    hold what can be had again."""
    found = {}
    for module in modules:
        for name, value in vars(module).items():
            kind = type(value)
            if "cache" in name.lower() or name == "__builtins__" or id(value) in found:
                continue
            if kind in (list, dict, set, bytearray):
                found[id(value)] = (value, kind(value))
            elif isinstance(value, type) and value.__flags__ & HEAP_TYPE:
                held = vars(value)
                found[id(value)] = (held, dict(held))
    held = os.environ._data
    found[id(held)] = (held, dict(held))
    return list(found.values())


def surroundings():
    """State that no module names. Text stands for what changes in place."""
    lowest = posix.dup(RPC)
    posix.close(lowest)
    mask = posix.umask(0o77)
    posix.umask(mask)
    return (
        _thread._count(),
        has_children(),
        sys.getrecursionlimit(),
        sys.getswitchinterval(),
        sys.gettrace() or sys.getprofile(),
        getattr(sys, "get_int_max_str_digits", int)(),
        gc.isenabled(),
        gc.get_threshold(),
        list(map(_signal.getsignal, SIGNALS)),
        [_signal.getitimer(timer) for timer in (0, 1, 2)],
        _signal.pthread_sigmask(0, ()),
        [repr(context) for context in DECIMALS],
        _locale.setlocale(_locale.LC_ALL, None),
        posix.getcwd(),
        mask,
        lowest,
        resource.getrlimit(resource.RLIMIT_AS),
        resource.getrlimit(resource.RLIMIT_NOFILE),
    )


def has_children():
    try:
        posix.waitpid(-1, posix.WNOHANG)
    except ChildProcessError:
        return False
    return True


# Py_TPFLAGS_HEAPTYPE: a class whose attributes can be set.
HEAP_TYPE = 1 << 9
SIGNALS = sorted(_signal.valid_signals() - {9, 19})
DECIMALS = (decimal.DefaultContext, decimal.BasicContext, decimal.ExtendedContext)
# Taken in the process that does the work, before its first job.
SURROUNDINGS = None


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
