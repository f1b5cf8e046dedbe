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
