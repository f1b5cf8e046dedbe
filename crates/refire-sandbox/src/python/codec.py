"""Values on the wire: exact built-in types, nothing else.

None N, True T, False F, int i<hex>; float f<repr>; complex c<real>,<imag>;
str s<hex length>:<utf-8>  bytes b  bytearray B  list l<hex count>:  tuple t  set S  frozenset Z
dict d<hex count>:  range r<start>,<stop>,<step>;  iterator I<hex count>:  object o<hex id>;
"""
import posix

MAX_BYTES = 1 << 20
MAX_DEPTH = 100


class Unsupported(Exception):
    pass


def encode(value, out, depth=MAX_DEPTH, wrap=None):
    kind = type(value)
    if value is None:
        out.append(b"N")
    elif kind is bool:
        out.append(b"T" if value else b"F")
    elif kind is int:
        out.append(b"i%x;" % value)
    elif kind is str:
        data = value.encode("utf-8", "surrogatepass")
        out.append(b"s%x:" % len(data))
        out.append(data)
    elif kind is float:
        out.append(b"f%s;" % repr(value).encode())
    elif depth == 0:
        raise Unsupported("a value nested more than %d deep" % MAX_DEPTH)
    elif kind in SEQUENCES:
        out.append(b"%s%x:" % (SEQUENCES[kind], len(value)))
        for item in value:
            encode(item, out, depth - 1, wrap)
    elif kind is dict:
        out.append(b"d%x:" % len(value))
        for key, item in value.items():
            encode(key, out, depth - 1, wrap)
            encode(item, out, depth - 1, wrap)
    elif kind is complex:
        out.append(b"c%s,%s;" % (repr(value.real).encode(), repr(value.imag).encode()))
    elif kind is bytes or kind is bytearray:
        out.append(b"%s%x:" % (b"b" if kind is bytes else b"B", len(value)))
        out.append(bytes(value))
    elif kind is range:
        out.append(b"r%x,%x,%x;" % (value.start, value.stop, value.step))
    else:
        encode_other(value, kind, out, depth, wrap)


def encode_other(value, kind, out, depth, wrap):
    """Subclasses as what they are based on, iterators as what they yield, the rest by reference."""
    for base in (bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset):
        if issubclass(kind, base):
            if base is int:
                plain = int.__add__(value, 0)
            elif base is float:
                plain = float.__add__(value, 0.0) if value != 0 else float.__abs__(value)
            elif base is str:
                plain = str.__str__(value) if kind is str else "".join(str.__getitem__(value, slice(None)))
            elif base is dict:
                plain = dict(dict.items(value))
            else:
                plain = base(base.__iter__(value)) if hasattr(base, "__iter__") else base.__add__(value, 0)
            return encode(plain, out, depth, wrap)
    if kind.__name__ in ITERATORS and kind.__module__ in ("builtins", "itertools"):
        items = []
        size = 0
        for item in value:
            part = []
            encode(item, part, depth - 1, wrap)
            size += sum(map(len, part))
            if size > MAX_BYTES:
                raise Unsupported("an iterator of more than %d bytes" % MAX_BYTES)
            items.append(b"".join(part))
        out.append(b"I%x:" % len(items))
        out.extend(items)
    elif wrap is not None:
        out.append(b"o%x;" % wrap(value))
    else:
        raise Unsupported("a value of type %s" % kind.__name__)


SEQUENCES = {list: b"l", tuple: b"t", set: b"S", frozenset: b"Z"}
ITERATORS = frozenset(
    "generator map filter zip enumerate reversed list_iterator tuple_iterator range_iterator"
    " set_iterator dict_keyiterator dict_valueiterator dict_itemiterator list_reverseiterator"
    " str_iterator str_ascii_iterator dict_keys dict_values dict_items chain islice starmap"
    " accumulate takewhile dropwhile compress product permutations combinations pairwise"
    " combinations_with_replacement zip_longest groupby repeat count cycle callable_iterator".split()
)


def decode(data, obtain=None):
    """Reads one value, from the first byte to the last; ValueError for anything else."""
    value, at = decode_at(data, 0, MAX_DEPTH, obtain)
    if at != len(data):
        raise ValueError("bytes after the value")
    return value


def decode_at(data, at, depth, obtain):
    tag = data[at : at + 1]
    if tag == b"N":
        return None, at + 1
    if tag == b"T":
        return True, at + 1
    if tag == b"F":
        return False, at + 1
    if tag in b"ifcro" and tag:
        end = data.index(b";", at)
        text = data[at + 1 : end]
        if tag == b"i":
            return int(text, 16), end + 1
        if tag == b"f":
            return float(text), end + 1
        if tag == b"r":
            start, stop, step = text.split(b",")
            return range(int(start, 16), int(stop, 16), int(step, 16)), end + 1
        if tag == b"c":
            real, imag = text.split(b",")
            return complex(float(real), float(imag)), end + 1
        if obtain is None:
            raise ValueError("an object by reference")
        return obtain(int(text, 16)), end + 1
    if depth == 0:
        raise ValueError("nested too deep")
    end = data.index(b":", at)
    count = int(data[at + 1 : end], 16)
    at = end + 1
    if count < 0 or count > len(data) - at:
        raise ValueError("longer than the message")
    if tag == b"s":
        return data[at : at + count].decode("utf-8", "surrogatepass"), at + count
    if tag == b"b":
        return data[at : at + count], at + count
    if tag == b"B":
        return bytearray(data[at : at + count]), at + count
    if tag == b"d":
        result = {}
        for _ in range(count):
            key, at = decode_at(data, at, depth - 1, obtain)
            result[key], at = decode_at(data, at, depth - 1, obtain)
        return result, at
    if not tag or tag not in b"ltSZI":
        raise ValueError("an unknown tag")
    items = []
    for _ in range(count):
        item, at = decode_at(data, at, depth - 1, obtain)
        items.append(item)
    if tag == b"t":
        return tuple(items), at
    if tag == b"S":
        return set(items), at
    if tag == b"Z":
        return frozenset(items), at
    return (iter(items) if tag == b"I" else items), at


def read_exact(fd, count):
    parts = []
    while count:
        part = posix.read(fd, min(count, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_frame(fd, limit):
    """A frame: length of the rest (4 bytes), nonce (8 bytes), body."""
    size = int.from_bytes(read_exact(fd, 4), "big") - 8
    if size < 0 or size > limit:
        raise OverflowError(size)
    whole = read_exact(fd, size + 8)
    return whole[:8], whole[8:]


def write_frame(fd, nonce, body):
    data = (len(body) + 8).to_bytes(4, "big") + nonce + body
    while data:
        data = data[posix.write(fd, data) :]
