"""Tests whose asserts record themselves, and the names they see."""


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
