//! Every format of tests, on programs that are right, wrong and odd.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::Arc;

use common::{outcome, sandbox, small, verdict};
use refire_sandbox::{
    Call, Comparator, Cpp, Job, SandboxConfig, Start, StdioCase, Suite, TestResult, Tolerance,
    Verdict,
};
use serde_json::value::RawValue;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn calls(entry_point: &str, cases: &[(&str, &str)]) -> Suite {
    let call = |(args, expected): &(&str, &str)| Call { args: raw(args), expected: raw(expected) };
    Suite::Calls {
        entry_point: entry_point.into(),
        cases: cases.iter().map(call).collect(),
        tolerance: Tolerance::default(),
    }
}

fn failed(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Failed { .. })
}

#[test]
fn each_assertion_is_a_test() {
    let Some(sandbox) = small() else { return };
    let test = "def check(candidate):\n    assert candidate(1) == 1\n    assert candidate(2) == 4\n    for i in (3, 4):\n        assert candidate(i) == i * i, 'no'\n";
    let suite = Suite::check("square", test);
    let found = outcome(&sandbox, "def square(x): return x * x if x != 2 else 5", &suite);
    use TestResult::{Failed, NotRun, Passed};
    assert_eq!(found.tests, [Passed, Failed, Passed]);
    assert!(matches!(found.verdict, Verdict::Failed { case: Some(1), .. }));
    assert_eq!(found.fraction(), Some(2.0 / 3.0));
    let found = outcome(&sandbox, "def square(x): return [x * x, 1 // (x - 2)][0]", &suite);
    assert_eq!(found.tests, [Passed, Failed, Passed]);
    let job = Job { stop_at_first: true, ..Job::new("def square(x): return 1", suite.clone()) };
    assert_eq!(sandbox.run(&job).tests, [Passed, Failed, NotRun]);
    let found =
        outcome(&sandbox, "import os\ndef square(x): return 1 if x == 1 else os._exit(0)", &suite);
    assert_eq!(found.tests, [Passed, NotRun, NotRun]);
    assert!(matches!(found.verdict, Verdict::Crashed { .. }));
}

#[test]
fn tests_that_decide_nothing_pass_nobody() {
    let Some(sandbox) = small() else { return };
    for test in [
        "def check(candidate):\n    pass\n",
        "def check(candidate):\n    assert True\n",
        "x = 1\n",
        "def check(:\n",
        "def check(candidate):\n    assert undefined_helper()\n",
    ] {
        let found = verdict(&sandbox, "def f(): return 1", &Suite::check("f", test));
        assert!(!found.is_passed(), "{test}: {found:?}");
    }
    let empty = verdict(&sandbox, "", &Suite::Asserts { tests: vec![], prelude: String::new() });
    assert!(matches!(empty, Verdict::Infra { retry: false, .. }), "{empty:?}");
    assert!(calls("f", &[]).validate().is_err());
    assert!(Suite::check("f", " \n").validate().is_err());
}

#[test]
fn values_keep_their_types() {
    let Some(sandbox) = small() else { return };
    let test = r#"
def check(candidate):
    values = [None, True, 0, -5, 1 << 200, -(1 << 70), 1.5, -0.0, float("inf"), 1e300, 2 + 3j, "", "é\ud800\U0001f600",
              b"\x00\xff", bytearray(b"a"), [], [1, [2, (3,)]], (), ((),), {}, {"a": {1: (2, None)}}, {1, 2},
              frozenset([3]), range(2, 9, 3)]
    for value in values:
        found = candidate(value)
        assert type(found) is type(value) and found == value, repr(value)
    assert str(candidate(-0.0)) == "-0.0"
    nan = candidate(float("nan"))
    assert nan != nan
    assert candidate(*[1], **{"extra": [2]}) == 1
"#;
    let program = "def f(value, extra=None): return value";
    assert_eq!(verdict(&sandbox, program, &Suite::check("f", test)), Verdict::Passed);
}

#[test]
fn richer_results_count_as_what_they_are_based_on() {
    let Some(sandbox) = small() else { return };
    let test = "def check(candidate):\n    assert candidate('c') == {'a': 2}\n    assert candidate('d') == {1: [2]}\n    assert candidate('n') == (1, 2)\n    assert list(candidate('g')) == [0, 1, 4]\n    assert list(candidate('m')) == ['1', '2']\n    assert sorted(candidate('k')) == [1, 2]\n    assert candidate('e') == 2\n    assert next(candidate('g')) == 0\n";
    let program = "from collections import *\nfrom enum import IntEnum\nclass E(IntEnum):\n    B = 2\nP = namedtuple('P', 'x y')\ndef f(w):\n    if w == 'c': return Counter('aa')\n    if w == 'd':\n        d = defaultdict(list); d[1].append(2); return d\n    if w == 'n': return P(1, 2)\n    if w == 'g': return (i * i for i in range(3))\n    if w == 'm': return map(str, [1, 2])\n    if w == 'k': return {1: 0, 2: 0}.keys()\n    if w == 'e': return E.B\n";
    assert_eq!(verdict(&sandbox, program, &Suite::check("f", test)), Verdict::Passed);
}

#[test]
fn arguments_changed_in_place_come_back() {
    let Some(sandbox) = small() else { return };
    let test = "def check(candidate):\n    x = [3, 1, 2]\n    candidate(x)\n    assert x == [1, 2, 3]\n    d = {'a': [1]}\n    candidate(d['a'])\n    assert d == {'a': [1]}\n";
    let suite = Suite::check("sort", test);
    assert_eq!(verdict(&sandbox, "def sort(x): x.sort()", &suite), Verdict::Passed);
    assert!(failed(&verdict(&sandbox, "def sort(x): return sorted(x)", &suite)));
}

#[test]
fn errors_are_values_too() {
    let Some(sandbox) = small() else { return };
    let test = "def check(candidate):\n    for kind, error in (('v', ValueError), ('k', KeyError), ('c', ArithmeticError), ('u', ValueError)):\n        try:\n            candidate(kind)\n        except error:\n            ok = True\n        else:\n            ok = False\n        assert ok\n";
    let program = "class Mine(ZeroDivisionError): pass\ndef f(k):\n    if k == 'v': raise ValueError('x')\n    if k == 'k': return {}[k]\n    if k == 'c': raise Mine('x')\n    b'\\xff'.decode()\n";
    assert_eq!(verdict(&sandbox, program, &Suite::check("f", test)), Verdict::Passed);
    assert!(failed(&verdict(&sandbox, "def f(k): return 1", &Suite::check("f", test))));
}

#[test]
fn helpers_of_the_tests_run_in_the_judge() {
    let Some(sandbox) = small() else { return };
    let test = "def check(candidate):\n    assert encode(candidate('abc')) == 'abc'\n";
    let honest = "def encode(s): return s[::-1]\ndef decode(s): return s[::-1]";
    let sly = "def encode(s): return 'abc'\ndef decode(s): return ''";
    let borrowed = Suite::check("decode", test);
    let own = Suite::Check {
        entry_point: "decode".into(),
        test: test.into(),
        prelude: "def encode(s):\n    return s[::-1]\ndef decode(s):\n    'the task'\n".into(),
    };
    let found = outcome(&sandbox, honest, &borrowed);
    assert_eq!((found.verdict, found.borrowed), (Verdict::Passed, vec!["encode".to_owned()]));
    assert_eq!(verdict(&sandbox, honest, &own), Verdict::Passed);
    assert!(failed(&verdict(&sandbox, sly, &own)));
    // Modules that tests forgot to import are the library's, not the submission's.
    let forgotten =
        Suite::check("root", "def check(candidate):\n    assert math.isclose(candidate(4), 2)\n");
    assert_eq!(verdict(&sandbox, "def root(x): return x ** 0.5", &forgotten), Verdict::Passed);
    let sly = "class math:\n    isclose = lambda *a: True\ndef root(x): return 9";
    assert!(failed(&verdict(&sandbox, sly, &forgotten)));
}

#[test]
fn statements_that_are_tests() {
    let Some(sandbox) = small() else { return };
    let suite = Suite::Asserts {
        tests: [
            "assert inc(1) == 2",
            "assert set(inc_all([1, 2])) == {2, 3}",
            "assert inc(LIMIT) == 11",
        ]
        .map(Into::into)
        .to_vec(),
        prelude: "LIMIT = 10".into(),
    };
    let program = "def inc(x): return x + 1\ndef inc_all(xs): return [inc(x) for x in xs]";
    assert_eq!(verdict(&sandbox, program, &suite), Verdict::Passed);
    let found = outcome(&sandbox, "def inc(x): return x + 1", &suite);
    use TestResult::{Failed, Passed};
    assert_eq!(found.tests, [Passed, Failed, Passed]);
}

#[test]
fn functions_and_instances_are_reached_by_reference() {
    let Some(sandbox) = small() else { return };
    let test = "def check(candidate):\n    assert candidate(2)(3) == 5\n    add = candidate(10)\n    assert [add(x) for x in (1, 2)] == [11, 12]\n";
    let suite = Suite::check("adder", test);
    assert_eq!(verdict(&sandbox, "def adder(n): return lambda x: n + x", &suite), Verdict::Passed);
    assert!(failed(&verdict(&sandbox, "def adder(n): return lambda x: n", &suite)));
    let tests =
        ["s = Solution()", "assert s.two_sum([2, 7], 9) == [0, 1]", "assert Solution().limit == 3"];
    let suite = Suite::Asserts { tests: tests.map(Into::into).to_vec(), prelude: String::new() };
    let right = "class Solution:\n    limit = 3\n    def two_sum(self, a, t): return [0, 1]";
    assert_eq!(verdict(&sandbox, right, &suite), Verdict::Passed);
}

#[test]
fn twenty_threads_have_room() {
    let program = "from concurrent.futures import ThreadPoolExecutor\ndef f(n):\n    with ThreadPoolExecutor(20) as pool:\n        return list(pool.map(lambda x: x * x, range(n)))";
    let suite = Suite::check(
        "f",
        "def check(candidate):\n    assert candidate(40) == [i * i for i in range(40)]\n",
    );
    for start in [Start::Warm, Start::Fresh] {
        let config = SandboxConfig { start, ..SandboxConfig::default() };
        let Some(sandbox) = sandbox(config) else { return };
        assert_eq!(verdict(&sandbox, program, &suite), Verdict::Passed, "{start:?}");
    }
}

#[test]
fn calls_with_json() {
    let Some(sandbox) = small() else { return };
    let big = "[[123456789012345678901234567890], 1]";
    let suite = calls(
        "f",
        &[
            ("[[1, 2], 3]", "[[1, 2], 3]"),
            (big, big),
            ("[{\"a\": 1.5}, null]", "[{\"a\": 1.5}, null]"),
        ],
    );
    assert_eq!(verdict(&sandbox, "def f(a, b): return (a, b)", &suite), Verdict::Passed);
    assert!(failed(&verdict(&sandbox, "def f(a, b): return (b, a)", &suite)));
    let keys = calls("f", &[("[]", "{\"1\": [2]}")]);
    assert_eq!(verdict(&sandbox, "def f(): return {1: (2,)}", &keys), Verdict::Passed);
    let truth = calls("f", &[("[]", "true"), ("[]", "true")]);
    assert!(failed(&verdict(&sandbox, "def f(): return 1", &truth)));
    let number = calls("f", &[("[]", "2")]);
    assert_eq!(verdict(&sandbox, "def f(): return 2.0", &number), Verdict::Passed);
    for wrong in ["2.0000001", "float('nan')", "'2'", "True", "[2]"] {
        assert!(
            failed(&verdict(&sandbox, &format!("def f(): return {wrong}"), &number)),
            "{wrong}"
        );
    }
    let Suite::Calls { entry_point, cases, .. } = number else { panic!() };
    let tolerance = Tolerance { absolute: 1e-3, relative: 0.0 };
    let near = Suite::Calls { entry_point, cases, tolerance };
    assert_eq!(verdict(&sandbox, "def f(): return 2.0000001", &near), Verdict::Passed);
    for wrong in ["2.1", "float('nan')", "float('inf')", "10 ** 400"] {
        assert!(failed(&verdict(&sandbox, &format!("def f(): return {wrong}"), &near)), "{wrong}");
    }
    let method = calls("Solution.twice", &[("[4]", "8")]);
    let program = "class Solution:\n    def twice(self, x): return 2 * x";
    assert_eq!(verdict(&sandbox, program, &method), Verdict::Passed);
}

fn stdio(cases: &[(&str, &str)], comparator: Comparator) -> Suite {
    let case = |(input, output): &(&str, &str)| StdioCase {
        input: (*input).to_owned(),
        output: (*output).to_owned(),
    };
    Suite::Stdio { cases: cases.iter().map(case).collect(), comparator }
}

#[test]
fn programs_that_read_and_print() {
    let Some(sandbox) = small() else { return };
    let sum = stdio(&[("1 2\n", "3\n"), ("10 20\n", "30\n")], Comparator::Lines);
    for right in [
        "a, b = map(int, input().split())\nprint(a + b)",
        "import sys\nsys.stdout.write(str(sum(map(int, sys.stdin.read().split()))))",
        "import os\nos.write(1, str(sum(map(int, os.read(0, 99).split()))).encode())\nexit()",
        "import atexit\nn = sum(map(int, input().split()))\natexit.register(print, n)",
        "import threading\nn = sum(map(int, input().split()))\nthreading.Thread(target=print, args=(n,)).start()",
        "import sys\nif __name__ == '__main__':\n    print(sum(map(int, open(0).read().split())))\n    sys.exit(0)",
    ] {
        assert_eq!(verdict(&sandbox, right, &sum), Verdict::Passed, "{right}");
    }
    for wrong in [
        "",
        "print(3)",
        "print('3\\n30')",
        "print(sum(map(int, input().split())))\nraise SystemExit(1)",
        "print(sum(map(int, input().split())))\n1 / 0",
        "import os\nif os.fork() == 0: print(3)\nos._exit(0)",
        "def (",
        "import os\nos.write(1, b'\\xff')",
        "print(open('expected').read())",
    ] {
        assert!(!verdict(&sandbox, wrong, &sum).is_passed(), "{wrong}");
    }
    let found = outcome(&sandbox, "print(3)", &sum);
    assert_eq!(found.tests, [TestResult::Passed, TestResult::Failed]);
    let long = "x".repeat(1 << 20);
    let echo = stdio(&[(&long, &long)], Comparator::Lines);
    assert_eq!(verdict(&sandbox, "print(input())", &echo), Verdict::Passed);
    assert!(failed(&verdict(&sandbox, "print(1)", &echo)));
}

#[test]
fn comparators_are_used() {
    let Some(sandbox) = small() else { return };
    let program = "print(input()[::-1])";
    assert_eq!(
        verdict(&sandbox, program, &stdio(&[("b a", "a   b")], Comparator::Tokens)),
        Verdict::Passed
    );
    let float = Comparator::Float { absolute: 0.01, relative: 0.0 };
    assert_eq!(
        verdict(&sandbox, "print(0.3333)", &stdio(&[("", "0.33333")], float)),
        Verdict::Passed
    );
    let lines = "print('b')\nprint('a')";
    assert_eq!(
        verdict(&sandbox, lines, &stdio(&[("", "a\nb")], Comparator::Unordered)),
        Verdict::Passed
    );
    let checker = |program: &str| Comparator::Checker { program: program.into() };
    let divides = "import sys\ninput, output, expected = (open(p).read() for p in sys.argv[1:])\nsys.exit(int(input) % int(output) != 0 or int(output) < 2)";
    let suite = stdio(&[("91", "7")], checker(divides));
    assert_eq!(verdict(&sandbox, "print(13)", &suite), Verdict::Passed);
    assert!(failed(&verdict(&sandbox, "print(5)", &suite)));
    assert!(failed(&verdict(&sandbox, "print('x')", &suite)));
    // What it can't read is wrong, while it can read what is expected.
    for output in ["x", "0", "7 7"] {
        assert!(failed(&verdict(&sandbox, &format!("print('{output}')"), &suite)), "{output}");
    }
    for (broken, said) in [
        ("def (", "SyntaxError"),
        ("import sys\nsys.exit(opne(sys.argv[1]))", "NameError"),
        ("import sys\nprint('usage', file=sys.stderr)\nsys.exit(2)", "usage"),
        ("import os\nos.abort()", "signal"),
        ("while True: pass", "timeout"),
    ] {
        let found = verdict(&sandbox, "print(13)", &stdio(&[("91", "7")], checker(broken)));
        let Verdict::Infra { reason, retry: false } = &found else { panic!("{broken}: {found:?}") };
        assert!(reason.contains(said), "{broken}: {reason}");
    }
    // A word on the way out is how a checker refuses.
    let says = checker("import sys\nsys.exit('wrong answer')");
    assert!(failed(&verdict(&sandbox, "print(13)", &stdio(&[("91", "7")], says))));
}

#[test]
fn unittest_files() {
    let Some(sandbox) = small() else { return };
    let test = "import unittest\nfrom solution import Stack, push_all\nclass T(unittest.TestCase):\n    def setUp(self):\n        self.stack = Stack()\n    def test_order(self):\n        self.stack.push(1); self.stack.push(2)\n        self.assertEqual(self.stack.pop(), 2)\n        self.assertEqual(len(self.stack), 1)\n    def test_empty(self):\n        with self.assertRaises(IndexError):\n            self.stack.pop()\n    def test_all(self):\n        self.assertEqual(push_all(Stack(), [1, 2]).items, [1, 2])\n";
    let suite = Suite::Unittest { test: test.into(), module: "solution".into() };
    let right = "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n    def pop(self): return self.items.pop()\n    def __len__(self): return len(self.items)\ndef push_all(s, xs):\n    for x in xs: s.push(x)\n    return s\n";
    let found = outcome(&sandbox, right, &suite);
    assert_eq!(found.verdict, Verdict::Passed);
    assert_eq!(found.tests.len(), 3);
    let wrong = right
        .replace("return self.items.pop()", "return self.items.pop(0) if self.items else None");
    let found = outcome(&sandbox, &wrong, &suite);
    assert!(failed(&found.verdict), "{:?}", found.verdict);
    assert_eq!(found.tests.iter().filter(|t| **t == TestResult::Passed).count(), 1);
    let sly = "import unittest\nunittest.TestCase.assertEqual = lambda *a: None\nunittest.TestCase.run = lambda *a: None\nclass Stack:\n    __eq__ = lambda *a: True\n    __len__ = lambda s: 1\n    def __getattr__(self, n): return Stack()\n    def __call__(self, *a): return Stack()\ndef push_all(*a): return Stack()";
    assert!(failed(&verdict(&sandbox, sly, &suite)));
    let none = Suite::Unittest { test: "import unittest\n".into(), module: "solution".into() };
    assert!(verdict(&sandbox, right, &none).is_infra());
}

#[test]
fn compiled_programs() {
    let Some(sandbox) = small() else { return };
    let suite = Arc::new(stdio(&[("1 2\n", "3\n"), ("4 5", "9")], Comparator::Lines));
    let run = |program: &str| {
        let job =
            Job { language: Arc::new(Cpp::default()), ..Job::new(program, Arc::clone(&suite)) };
        sandbox.run(&job).verdict
    };
    let right = run(
        "#include <iostream>\nint main() { int a, b; std::cin >> a >> b; std::cout << a + b; }",
    );
    match &right {
        Verdict::Infra { reason, retry: false } if reason.contains("is not installed") => {
            println!("skipped: {reason}");
            return;
        }
        other => assert_eq!(*other, Verdict::Passed),
    }
    assert!(failed(&run("#include <cstdio>\nint main() { puts(\"3\"); }")));
    assert!(matches!(run("int main() {"), Verdict::CompileError { .. }));
    let crash = run("int main() { volatile int *p = 0; *p = 1; }");
    assert!(matches!(crash, Verdict::Crashed { .. }), "{crash:?}");
    let leak = run(
        "#include <fstream>\n#include <iostream>\nint main() { std::ifstream f(\"/etc/shadow\"); std::cout << (f ? \"3\" : \"no\"); }",
    );
    assert!(failed(&leak), "{leak:?}");
    let call =
        Job { language: Arc::new(Cpp::default()), ..Job::new("", calls("f", &[("[]", "1")])) };
    assert!(sandbox.run(&call).verdict.is_infra());
}

/// One job's tests leave nothing to the next one's, which runs in the same judge or in its successor.
#[test]
fn tests_start_from_the_same_interpreter() {
    let Some(sandbox) = small() else { return };
    // No more than a line needs: a module that is new to the judge ends it anyway.
    let modules = "decimal fractions locale os random signal statistics sys time warnings";
    let suite = |line: &str| {
        let used = modules.split(' ').filter(|module| line.contains(&format!("{module}.")));
        let imports: String = used.map(|module| format!("    import {module}\n")).collect();
        let body = format!("{imports}    {line}\n    assert candidate(1) == 1\n");
        Suite::check("f", format!("def check(candidate):\n{body}"))
    };
    let pairs = [
        ("decimal.getcontext().prec = 3", "assert decimal.getcontext().prec == 28"),
        ("decimal.getcontext().traps[decimal.Inexact] = True", "assert decimal.Decimal(1) / 3"),
        ("decimal.DefaultContext.prec = 3", "assert decimal.getcontext().prec == 28"),
        ("sys.path.append('/left')", "assert '/left' not in sys.path"),
        ("os.environ['LEFT'] = '1'", "assert 'LEFT' not in os.environ"),
        ("random.seed(5)", "assert random.random() == random.Random(0).random()"),
        ("locale.setlocale(locale.LC_ALL, 'C')", "assert locale.setlocale(locale.LC_ALL) != 'C'"),
        ("warnings.simplefilter('error')", "warnings.warn('x')"),
        ("warnings.filters.clear()", "assert warnings.filters"),
        ("fractions.Fraction.limit = 5", "assert not hasattr(fractions.Fraction, 'limit')"),
        ("fractions.Fraction.__add__ = None", "assert fractions.Fraction(1) + 1 == 2"),
        ("sys.modules['statistics'] = sys", "assert statistics.mean([1, 3]) == 2"),
        ("statistics.mean = None", "assert statistics.mean([1, 3]) == 2"),
        ("sys.setrecursionlimit(77)", "assert sys.getrecursionlimit() > 77"),
        ("sys.setswitchinterval(1)", "assert sys.getswitchinterval() < 1"),
        ("os.chdir('/usr')", "assert os.getcwd() != '/usr'"),
        ("os.umask(0o777)", "assert os.umask(0) != 0o777"),
        ("os.open('/dev/null', 0)", "assert os.open('/dev/null', 0) < 6"),
        (
            "signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
            "assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL",
        ),
        ("signal.setitimer(signal.ITIMER_REAL, 0.3)", "time.sleep(0.5)"),
        ("os.environ.clear()", "assert os.environ['LANG']"),
    ];
    let program = "def f(x): return x";
    for (change, check) in pairs {
        for line in [check, change, check] {
            let found = verdict(&sandbox, program, &suite(line));
            assert_eq!(found, Verdict::Passed, "{line} after {change}");
        }
    }
}
