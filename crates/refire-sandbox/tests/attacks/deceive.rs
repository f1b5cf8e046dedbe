//! Passing without solving.

use super::{none_passes, none_passes_suite};
use refire_sandbox::Suite;

#[test]
fn leaving_early() {
    none_passes(&[
        ("sys.exit", "import sys\nsys.exit(0)"),
        ("exit in function", "def add(a, b):\n    exit(0)"),
        ("quit", "def add(a, b): quit()"),
        ("SystemExit", "def add(a, b): raise SystemExit(0)"),
        ("KeyboardInterrupt", "def add(a, b): raise KeyboardInterrupt"),
        ("GeneratorExit", "def add(a, b): raise GeneratorExit"),
        ("StopIteration", "def add(a, b): raise StopIteration"),
        ("BaseException", "class X(BaseException): pass\ndef add(a, b): raise X"),
        ("os._exit", "import os\ndef add(a, b): os._exit(0)"),
        ("os.abort", "import os\ndef add(a, b): os.abort()"),
        (
            "atexit",
            "import atexit, os\natexit.register(lambda: os._exit(0))\ndef add(a, b): return None",
        ),
        ("exec", "import os\ndef add(a, b): os.execv('/bin/true', ['true'])"),
        (
            "thread",
            "import threading, os, time\nthreading.Thread(target=lambda: (time.sleep(0.01), os._exit(0))).start()\ndef add(a, b):\n    time.sleep(1); return 3",
        ),
        ("fork and stay", "import os\ndef add(a, b):\n    os.fork()\n    return None"),
        ("fork and leave", "import os\nif os.fork(): os._exit(0)\ndef add(a, b): return None"),
        (
            "double fork",
            "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        import time; time.sleep(3)\n    os._exit(0)\ndef add(a, b): return None",
        ),
        (
            "signal self",
            "import os, signal\ndef add(a, b): os.kill(os.getpid(), signal.SIGKILL); return None",
        ),
        (
            "signal all",
            "import os, signal\ndef add(a, b): os.kill(-1, signal.SIGKILL); return None",
        ),
        ("segfault", "import ctypes\ndef add(a, b): ctypes.string_at(0)"),
        (
            "sys.setrecursionlimit",
            "import sys\nsys.setrecursionlimit(10**9)\ndef add(a, b):\n    return add(a, b)",
        ),
        (
            "fault in C stack",
            "def add(a, b):\n    x = []\n    for _ in range(500000): x = [x]\n    return repr(x)",
        ),
    ]);
}

#[test]
fn objects_that_lie() {
    none_passes(&[
        (
            "eq",
            "class E:\n    def __eq__(s, o): return True\n    def __ne__(s, o): return False\n    __hash__ = None\ndef add(a, b): return E()",
        ),
        (
            "int",
            "class E(int):\n    def __eq__(s, o): return True\n    __hash__ = int.__hash__\ndef add(a, b): return E(9)",
        ),
        (
            "float",
            "class E(float):\n    def __eq__(s, o): return True\n    __hash__ = float.__hash__\ndef add(a, b): return E(9)",
        ),
        (
            "str",
            "class E(str):\n    def __eq__(s, o): return True\n    __hash__ = str.__hash__\ndef add(a, b): return E('x')",
        ),
        ("list", "class E(list):\n    def __eq__(s, o): return True\ndef add(a, b): return E()"),
        ("dict", "class E(dict):\n    def __eq__(s, o): return True\ndef add(a, b): return E()"),
        (
            "tuple",
            "class E(tuple):\n    def __eq__(s, o): return True\n    __hash__ = tuple.__hash__\ndef add(a, b): return E()",
        ),
        (
            "reverse eq",
            "class M(type):\n    def __eq__(s, o): return True\n    __hash__ = type.__hash__\nclass E(int, metaclass=M): pass\ndef add(a, b): return E",
        ),
        (
            "class swap",
            "class E(int):\n    @property\n    def __class__(s): return int\n    def __eq__(s, o): return True\n    __hash__ = int.__hash__\ndef add(a, b): return E(9)",
        ),
        (
            "index",
            "class E:\n    def __index__(s): return 3\n    def __int__(s): return 3\ndef add(a, b): return E()",
        ),
        ("nan", "def add(a, b): return float('nan')"),
        ("true", "def add(a, b): return True"),
        ("callable", "def add(a, b): return add"),
        ("not implemented", "def add(a, b): return NotImplemented"),
        (
            "reduce",
            "class E:\n    def __reduce__(s): return (eval, ('3',))\ndef add(a, b): return E()",
        ),
        (
            "getattribute",
            "class E:\n    def __getattribute__(s, n): return lambda *a: True\ndef add(a, b): return E()",
        ),
    ]);
}

#[test]
fn numbers_that_lie() {
    let suite = Suite::check(
        "half",
        "def check(candidate):\n    assert abs(candidate(3) - 1.5) < 1e-6\n    assert abs(candidate(10) - 5) < 1e-6\n",
    );
    none_passes_suite(
        &[
            (
                "sub abs lt",
                "class F:\n    def __sub__(s, o): return s\n    def __rsub__(s, o): return s\n    def __abs__(s): return s\n    def __lt__(s, o): return True\ndef half(x): return F()",
            ),
            (
                "float subclass",
                "class F(float):\n    def __sub__(s, o): return 0.0\ndef half(x): return F(9)",
            ),
            ("nan", "def half(x): return float('nan')"),
            ("infinity", "def half(x): return float('inf')"),
            ("complex", "def half(x): return complex(9, 9)"),
            ("huge", "def half(x): return 10 ** 5000"),
        ],
        &suite,
    );
}

#[test]
fn patched_frameworks() {
    none_passes(&[
        (
            "builtins",
            "import builtins\nfor n in ('all', 'any', 'abs', 'sorted', 'isinstance', 'len', 'repr', 'print'): setattr(builtins, n, lambda *a, **k: True)\nbuiltins.AssertionError = type('X', (Exception,), {})\ndef add(a, b): return None",
        ),
        (
            "import hook",
            "import builtins\no = builtins.__import__\nbuiltins.__import__ = lambda *a, **k: o(*a, **k)\ndef add(a, b): return None",
        ),
        (
            "modules",
            "import sys\nfor n in list(sys.modules): sys.modules[n] = None\ndef add(a, b): return None",
        ),
        (
            "os",
            "import os, posix\nposix._exit = os._exit = posix.write = lambda *a: 0\ndef add(a, b): return None",
        ),
        (
            "runner",
            "import sys\nm = sys.modules['__main__']\nfor n in list(vars(m)):\n    if callable(getattr(m, n, None)): setattr(m, n, lambda *a, **k: True)\ndef add(a, b): return None",
        ),
        (
            "encode",
            "import sys\nm = sys.modules['__main__']\nm.encode = lambda value, out, *a, **k: out.append(b'T')\ndef add(a, b): return None",
        ),
        (
            "trace",
            "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\ndef add(a, b): return None",
        ),
        (
            "frames",
            "import sys\ndef add(a, b):\n    f = sys._getframe()\n    found = []\n    while f:\n        found += [v for v in list(f.f_locals.values()) + list(f.f_globals.values()) if isinstance(v, (str, bytes))]\n        f = f.f_back\n    return 3 if any('assert' in str(v) for v in found) else None",
        ),
        (
            "gc",
            "import gc\ndef add(a, b):\n    for o in gc.get_objects():\n        if isinstance(o, dict):\n            for v in list(o.values()):\n                if isinstance(v, str) and 'assert candidate' in v and 'import re' not in v and 'gc' not in v: return a + b\n    return None",
        ),
        (
            "shadow modules",
            "for n in ('ast', 'json', 'random', 'unittest', 'conftest', 'sitecustomize'): open(n + '.py', 'w').write('import os; os._exit(0)')\ndef add(a, b): return None",
        ),
        (
            "excepthook",
            "import sys, os\nsys.excepthook = lambda *x: os._exit(0)\nsys.unraisablehook = sys.excepthook\ndef add(a, b): raise ValueError",
        ),
        (
            "finalizer",
            "import os\nclass D:\n    def __del__(s): os._exit(0)\ndef add(a, b):\n    D()\n    return None",
        ),
        (
            "slow finalizer",
            "import time\nclass D:\n    def __del__(s): time.sleep(60)\nd = D()\ndef add(a, b): return None",
        ),
    ]);
}

#[test]
fn forged_messages() {
    let reply = "import os, sys\nm = sys.modules['__main__']\n";
    let forge = |body: &str| format!("{reply}{body}");
    let programs = [
        ("flood", forge("os.write(3, b'\\0\\0\\0\\x0b' + b'\\0' * 8 + b'Vi3' * 1000)\ndef add(a, b): return None")),
        ("wrong nonce", forge("def add(a, b):\n    m.write_frame(3, b'12345678', b'Vt2:i3;N')\n    return None")),
        ("longer nonce", forge("def add(a, b):\n    os.write(3, b'\\xff' * 4096)\n    return None")),
        ("judge's words", forge("def add(a, b):\n    for fd in range(32):\n        try: os.write(fd, b'{\"calls\": 4, \"done\": true, \"case\": 0, \"ok\": true}\\n')\n        except OSError: pass\n    return None")),
        ("closed", forge("def add(a, b):\n    os.close(3)\n    return 3")),
        ("dead end", forge("os.dup2(1, 3)\ndef add(a, b): return 3")),
        ("pickle", forge("import pickle\ndef add(a, b):\n    os.write(3, pickle.dumps(3)); return None")),
        ("bad value", forge("def bad(self, body): return b'V' + b't2:l' + b'f' * 10 + b':'\nm.Server.answer = bad\ndef add(a, b): return 3")),
        ("bad exception", forge("def bad(self, body): return b'Xt2:i3;N'\nm.Server.answer = bad\ndef add(a, b): return 3")),
        ("deep value", forge("def bad(self, body): return b'V' + b'l1:' * 200000\nm.Server.answer = bad\ndef add(a, b): return 3")),
        ("many items", forge("def bad(self, body): return b'Vt2:lfffffff:N'\nm.Server.answer = bad\ndef add(a, b): return 3")),
        ("unhashable", forge("def bad(self, body): return b'Vt2:S1:l0:N'\nm.Server.answer = bad\ndef add(a, b): return 3")),
        ("handle", forge("def bad(self, body): return b'Vt2:offffffffff;N'\nm.Server.answer = bad\ndef add(a, b): return 3")),
        ("descriptors", "import array, socket\ndef add(a, b):\n    s = socket.socket(fileno=3)\n    s.sendmsg([b'\\0'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0, 1, 2]))])\n    return None".to_owned()),
        ("other thread", forge("import threading\ndef flood():\n    while True: os.write(3, b'\\0\\0\\0\\x10' + b'x' * 16)\nthreading.Thread(target=flood, daemon=True).start()\ndef add(a, b): return None")),
    ];
    let programs: Vec<(&str, &str)> =
        programs.iter().map(|(name, text)| (*name, text.as_str())).collect();
    none_passes(&programs);
}

#[test]
fn loops_that_never_look() {
    let map = Suite::check(
        "square",
        "def check(candidate):\n    assert all(map(lambda x: candidate(x) == x * x, range(9)))\n    \
         assert list(map(candidate, [])) == []\n    assert list(map(candidate, [2])) == [4]\n",
    );
    none_passes_suite(
        &[
            ("stop", "def square(x): raise StopIteration"),
            ("stop subclass", "class S(StopIteration): pass\ndef square(x): raise S"),
            ("generator", "def square(x):\n    yield x"),
        ],
        &map,
    );
    let zip = Suite::check(
        "rows",
        "def check(candidate):\n    for a, b in zip(candidate(3), [0, 1, 2]):\n        assert a == b\n",
    );
    none_passes_suite(&[("nothing to compare", "def rows(n): return []")], &zip);
}

#[test]
fn what_is_left_in_a_warm_interpreter() {
    use super::common::{add_suite, small, verdict};
    let Some(sandbox) = small() else { return };
    let poison = "import builtins, sys, json\nbuiltins.sorted = None\njson.dumps = None\nsys.path.insert(0, '/tmp')\nopen('/tmp/helper.py', 'w').write('x = 1')\ndef add(a, b): return a + b";
    assert!(verdict(&sandbox, poison, &add_suite()).is_passed());
    let check = "import builtins, json, os\nassert builtins.sorted([2, 1]) == [1, 2] and json.dumps(1) == '1'\nassert not os.path.exists('/tmp/helper.py')\ndef add(a, b): return a + b";
    assert!(verdict(&sandbox, check, &add_suite()).is_passed());
}
