"""What tests hold in place of the submission's functions and objects."""


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
