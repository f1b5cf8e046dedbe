"""Whether a test left the interpreter as it found it."""

# Py_TPFLAGS_HEAPTYPE: a class whose attributes can be set.
HEAP_TYPE = 1 << 9
SIGNALS = sorted(_signal.valid_signals() - {9, 19})
DECIMALS = (decimal.DefaultContext, decimal.BasicContext, decimal.ExtendedContext)
# Taken in the process that does the work, before its first job.
SURROUNDINGS = None


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
