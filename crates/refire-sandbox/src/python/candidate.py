"""Serves a submission's functions: loads the program, and answers calls on descriptor 3.

Nothing here is trusted. The judge knows the answers, and takes what comes from here as the
submission's word.
"""
import sys

RPC = 3
MAX_REQUEST = 64 << 20


def names_of(error):
    return tuple(kind.__name__ for kind in type(error).__mro__)


def describe(error):
    try:
        return str(error)[:300]
    except BaseException:
        return ""


def flush():
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        pass


def add_site_builtins():
    """What `site`, which is not loaded, would add."""
    import builtins
    import _sitebuiltins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")


def contents(args):
    """What arguments hold, to see whether a call changed them; None if that can't be said."""
    parts = []
    try:
        encode(args, parts, wrap=lambda value: 0)
    except Unsupported:
        return None
    return b"".join(parts)


class Server:
    def __init__(self):
        self.module = None
        self.objects = []

    def wrap(self, value):
        self.objects.append(value)
        return len(self.objects) - 1

    def load(self, program):
        code = compile(program, "<submission>", "exec", dont_inherit=True)
        self.module = type(sys)("submission")
        sys.modules["submission"] = self.module
        exec(code, self.module.__dict__)
        return None

    def resolve(self, target):
        if isinstance(target, int):
            return self.objects[target]
        found = self.module.__dict__
        first, *rest = target.split(".")
        if first not in found:
            raise NameError("name '%s' is not defined" % first)
        found = found[first]
        for name in rest:
            if isinstance(found, type):
                found = found()
            found = getattr(found, name)
        return found

    def call(self, target, args, kwargs, watch):
        before = contents(args) if watch else None
        value = self.resolve(target)(*args, **kwargs)
        return (value, args if watch and contents(args) != before else None)

    def handle(self, body):
        op = body[:1]
        if op == b"C":
            return self.call(*decode(body[1:], self.objects.__getitem__))
        if op == b"G":
            target, name = decode(body[1:])
            found = self.module if target is None else self.objects[target]
            return (getattr(found, name), None)
        if op == b"L":
            return (self.load(decode(body[1:])), None)
        if op == b"T":
            program, test = decode(body[1:])
            self.load(program)
            exec(compile(test, "<test>", "exec", dont_inherit=True), self.module.__dict__)
            return (None, None)
        raise ValueError("an unknown request")

    def answer(self, body):
        out = [b"V"]
        try:
            encode(self.handle(body), out, wrap=self.wrap)
        except Unsupported as error:
            return b"U" + describe(error).encode("utf-8", "replace")
        except BaseException as error:
            out = [b"X"]
            encode((names_of(error), describe(error)), out)
        finally:
            flush()
        reply = b"".join(out)
        if len(reply) > MAX_BYTES:
            return b"U" + b"a value of more than %d bytes" % MAX_BYTES
        return reply


def serve():
    # Written before anything untrusted runs: who ends earlier was not ended by a submission.
    posix.write(RPC, b"R")
    sys.path[:] = [place for place in sys.path if place != "/refire"]
    server = Server()
    while True:
        try:
            nonce, body = read_frame(RPC, MAX_REQUEST)
        except EOFError:
            posix._exit(0)
        if body[:1] == b"S":
            run_script(nonce, *decode(body[1:]))
        write_frame(RPC, nonce, server.answer(body))


def run_script(nonce, program, argv, files):
    """Runs the program as `python main.py` would, and never returns."""
    for name, contents in files.items():
        with open(name, "wb") as file:
            file.write(contents)
    try:
        code = compile(program, "main.py", "exec", dont_inherit=True)
    except BaseException as error:
        out = [b"X"]
        encode((names_of(error), describe(error)), out)
        write_frame(RPC, nonce, b"".join(out))
        posix._exit(1)
    write_frame(RPC, nonce, b"VN")
    posix.close(RPC)
    main = type(sys)("__main__")
    sys.modules["__main__"] = main
    sys.argv = ["main.py", *argv]
    status = 0
    try:
        exec(code, main.__dict__)
    except SystemExit as error:
        status = exit_status(error.code)
    except BaseException:
        status = 1
        try:
            sys.excepthook(*sys.exc_info())
        except BaseException:
            pass
    posix._exit(shut_down(status))


def exit_status(code):
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 255
    try:
        sys.stderr.write("%s\n" % (code,))
    except BaseException:
        pass
    return 1


def shut_down(status):
    """What the interpreter does at its end, without tearing down every module."""
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        import atexit

        atexit._run_exitfuncs()
    except BaseException:
        pass
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BaseException:
            status = status or 120
    return status
