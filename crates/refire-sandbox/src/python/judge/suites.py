"""How each kind of suite is run."""


def await_candidate():
    """Ends the job if no candidate comes up."""
    try:
        if posix.read(RPC, 1) == b"R":
            return
    except OSError:
        pass
    stop(infra="the candidate did not start")


def load(program):
    """Lets the candidate load the submission; whether it did."""
    await_candidate()
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
    await_candidate()
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
