"""The pickle machine: reads opcodes, makes values, calls nothing. The opcodes are described in
Python's ``pickletools``.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

from merbench.api.pickles.admitted import ADMITTED, Dtype, Empty, Inert, Maker, scalar_key
from merbench.api.pickles.arrays import Array, Blob, Kept
from merbench.api.pickles.budget import Budget, NotWhole, Refused, shown

LONG = 4096  # bytes and texts longer than this stay in the file
# What an object costs in memory at most, with its place on the stack: by the opcode that makes it.
_OBJECT = 48
_COSTS = dict.fromkeys((b"}", b"d", b"\x8f", b"\x91"), 256)
_COSTS |= dict.fromkeys((b"q", b"r", b"\x94", b"p", b"R", b"\x81", b"i", b"o", b"Q", b"P"), 160)
_COSTS |= dict.fromkeys((b"]", b"l", b"t", b"\x85", b"\x86", b"\x87"), 88)
_COSTS |= dict.fromkeys((b"h", b"j", b"g", b"N", b"\x88", b"\x89", b"K", b"2"), 12)
_COSTS |= dict.fromkeys((b"0", b"1", b"a", b"e", b"b"), 8)

Persistent = Callable[[Any], Any]


def _no_persistent(name: Any) -> Any:
    raise Refused("refers to objects outside of it (a persistent id)")


def load(
    file: BinaryIO,
    end: int,
    kept: Kept,
    budget: Budget,
    persistent: Persistent = _no_persistent,
) -> Any:
    """The object of the pickle that starts where ``file`` stands and ends before ``end``; ``file``
    then stands behind it.

    ``kept`` is the same file, from which large arrays are read later.

    Refused for what is not admitted or costs more than ``budget``; ValueError and its kin for what
    is no pickle.
    """
    return _plain(_Machine(file, end, kept, budget, persistent).run())


def _plain(value: Any) -> Any:
    return _PLAIN[type(value)](value) if type(value) in _PLAIN else value


def _array_of(empty: Empty) -> Array:
    if empty.array is None:
        raise NotWhole("an array has no state")
    return empty.array


_PLAIN: dict[type, Callable[[Any], Any]] = {Empty: _array_of, Inert: lambda made: made.settings}


class _Machine:
    def __init__(
        self, file: BinaryIO, end: int, kept: Kept, budget: Budget, persistent: Persistent
    ) -> None:
        self.file, self.end, self.kept, self.persistent = file, end, kept, persistent
        self.budget = budget
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        read, table, spend, costs = self.file.read, _OPCODES, self.budget.spend, _COSTS
        while True:
            code = read(1)
            spend(costs.get(code, _OBJECT))
            if code == b".":
                return self.stack.pop()
            action = table.get(code)
            if action is None:
                raise NotWhole(
                    f"byte {self.file.tell() - 1} is no opcode" if code else "it ends in the middle"
                )
            action(self)

    # What the opcodes read from the file.

    def take(self, n: int) -> bytes:
        data = self.file.read(n)
        if len(data) != n:
            raise NotWhole("it ends in the middle")
        return data

    def number(self, form: str) -> int:
        value: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        if value < 0 and form[-1] != "i":
            raise NotWhole("a length is negative")
        return value

    def line(self) -> bytes:
        data = self.file.readline(self.budget.bytes)
        self.budget.spend(len(data) * 3 // 2)
        if not data.endswith(b"\n"):
            raise NotWhole("it ends in the middle")
        return data[:-1]

    def long(self, size: int, short: Callable[[bytes], Any], how: Any) -> None:
        """Push ``size`` bytes: as a value where they are few, else as where they lie."""
        at = self.file.tell() if size > LONG else 0
        if size > LONG and at + size > self.end:
            raise NotWhole("it ends in the middle")
        if size <= LONG:
            self.budget.spend(size)
            self.stack.append(short(self.take(size)))
        else:
            self.stack.append(Blob(self.kept, at, size, how))
            self.file.seek(size, 1)

    # What they do with the stack.

    def popped(self) -> Any:
        if not self.stack or (self.marks and self.marks[-1] >= len(self.stack)):
            raise NotWhole("its stack is empty")
        return _plain(self.stack.pop())

    def mark(self) -> None:
        self.marks.append(len(self.stack))

    def to_mark(self) -> list[Any]:
        at = self.marks.pop()
        items = self.stack[at:]
        del self.stack[at:]
        return [_plain(item) if type(item) in _PLAIN else item for item in items]

    def top(self, kind: type) -> Any:
        value = self.stack[-1]
        if type(value) is not kind:
            raise NotWhole(f"a {type(value).__name__} stands where a {kind.__name__} belongs")
        return value

    def append(self, items: list[Any]) -> None:
        self.top(list).extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.top(dict)
        if len(items) % 2:
            raise NotWhole("a mapping has a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[scalar_key(key)] = value

    def push_dict(self, items: list[Any]) -> None:
        self.stack.append({})
        self.set_items(items)

    def find(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise Refused("names a class by what is no text")
        admitted = ADMITTED.get(f"{module}.{name}")
        self.stack.append(self.persistent_name(module, name) if admitted is None else admitted)

    def persistent_name(self, module: str, name: str) -> Maker:
        known = getattr(self.persistent, "names", {}).get(f"{module}.{name}")
        if known is None:
            raise Refused(f"holds {shown(module)}.{shown(name)}")
        maker: Maker = known
        return maker

    def call(self, maker: Any, args: Any) -> None:
        if type(maker) is not Maker or type(args) is not tuple:
            raise Refused(f"calls a {type(maker).__name__}")
        reads = maker.name.endswith((".bytes", ".bytearray"))
        self.budget.spend(16 * len(args) + sum(_copied(value, reads) for value in args))
        try:
            self.stack.append(maker.make(*args))
        except (TypeError, AttributeError):
            raise Refused(f"calls {maker.name} with arguments that it never has") from None

    def reduce(self) -> None:
        args = self.popped()
        self.call(self.popped(), args)

    def new_object(self, keywords: bool) -> None:
        if keywords and self.popped():
            raise Refused("makes an object from named arguments")
        args, kind = self.popped(), self.popped()
        if type(kind) is not Maker or kind.make is not Inert or args:
            raise Refused(f"makes an object of {getattr(kind, 'name', type(kind).__name__)}")
        self.stack.append(Inert())

    def instance(self, kind: Any, args: list[Any]) -> None:
        if type(kind) is not Maker or kind.make is not Inert or args:
            raise Refused(f"makes an object of {getattr(kind, 'name', type(kind).__name__)}")
        self.stack.append(Inert())

    def build(self) -> None:
        state = self.popped()
        instance = self.stack[-1]
        if type(instance) not in (Empty, Dtype, Inert):
            raise Refused(f"sets the state of a {type(instance).__name__}")
        instance.build(state)

    def refuse(self, reason: str) -> None:
        raise Refused(reason)

    def memoize(self, at: int) -> None:
        self.memo[at] = self.stack[-1]

    def recall(self, at: int) -> None:
        self.stack.append(self.memo[at])


def _copied(argument: Any, reads: bool) -> int:
    """The memory that a copy of it takes; ``reads``: of what still lies in the file too."""
    if isinstance(argument, Blob):
        return argument.size if reads else 0
    if isinstance(argument, str | bytes):
        return 2 * len(argument)
    if isinstance(argument, list | tuple):
        return 16 * len(argument)
    if isinstance(argument, set | frozenset | dict):
        return 100 * len(argument)
    if isinstance(argument, Dtype):
        return argument.numpy.itemsize
    return 0


def _integer(line: bytes) -> int | bool:
    return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line)


def _quoted(line: bytes) -> str:
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise NotWhole("a string has no quotes")
    return codecs.escape_decode(line[1:-1])[0].decode("latin1")


def _big(m: _Machine, size: int) -> int:
    if size > 1024:
        raise Refused("holds a number of more than a thousand bytes")
    return int.from_bytes(m.take(size), "little", signed=True)


def _latin1(data: bytes) -> str:
    return data.decode("latin1")


def _utf8(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _tuple(m: _Machine, n: int) -> None:
    items = [m.popped() for _ in range(n)]
    m.stack.append(tuple(items[::-1]))


def _frame(m: _Machine) -> None:
    m.number("<Q")


def _proto(m: _Machine) -> None:
    if m.take(1)[0] > 5:
        raise Refused("is of a protocol above 5")


def _inst(m: _Machine) -> None:
    m.find(m.line().decode(), m.line().decode())
    kind = m.stack.pop()
    m.instance(kind, m.to_mark())


def _obj(m: _Machine) -> None:
    kind, *args = m.to_mark()
    m.instance(kind, args)


def _stack_global(m: _Machine) -> None:
    name, module = m.popped(), m.popped()
    m.find(module, name)


def _append(m: _Machine) -> None:
    m.append([m.popped()])


def _set_item(m: _Machine) -> None:
    value, key = m.popped(), m.popped()
    m.set_items([key, value])


def _add_items(m: _Machine) -> None:
    items = m.to_mark()
    m.top(set).update(scalar_key(item) for item in items)


def _pop(m: _Machine) -> None:
    if m.marks and m.marks[-1] == len(m.stack):
        m.marks.pop()
    else:
        m.popped()


def _push(make: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    return lambda m: m.stack.append(make(m))


_OPCODES: dict[bytes, Callable[[_Machine], Any]] = {
    b"\x80": _proto,
    b"\x95": _frame,
    b"(": _Machine.mark,
    b"0": _pop,
    b"1": lambda m: m.to_mark(),
    b"2": lambda m: m.stack.append(m.stack[-1]),
    b"N": _push(lambda m: None),
    b"\x88": _push(lambda m: True),
    b"\x89": _push(lambda m: False),
    b"I": _push(lambda m: _integer(m.line())),
    b"J": _push(lambda m: m.number("<i")),
    b"K": _push(lambda m: m.number("<B")),
    b"M": _push(lambda m: m.number("<H")),
    b"L": _push(lambda m: int(m.line().rstrip(b"L"))),
    b"\x8a": _push(lambda m: _big(m, m.number("<B"))),
    b"\x8b": _push(lambda m: _big(m, m.number("<I"))),
    b"F": _push(lambda m: float(m.line())),
    b"G": _push(lambda m: struct.unpack(">d", m.take(8))[0]),
    b"S": _push(lambda m: _quoted(m.line())),
    b"T": lambda m: m.long(m.number("<I"), _latin1, "raw"),
    b"U": lambda m: m.long(m.number("<B"), _latin1, "raw"),
    b"V": _push(lambda m: m.line().decode("raw-unicode-escape")),
    b"X": lambda m: m.long(m.number("<I"), _utf8, "text"),
    b"\x8c": lambda m: m.long(m.number("<B"), _utf8, "text"),
    b"\x8d": lambda m: m.long(m.number("<Q"), _utf8, "text"),
    b"B": lambda m: m.long(m.number("<I"), bytes, "raw"),
    b"C": lambda m: m.long(m.number("<B"), bytes, "raw"),
    b"\x8e": lambda m: m.long(m.number("<Q"), bytes, "raw"),
    b"\x96": lambda m: m.long(m.number("<Q"), bytes, "raw"),
    b")": _push(lambda m: ()),
    b"\x85": lambda m: _tuple(m, 1),
    b"\x86": lambda m: _tuple(m, 2),
    b"\x87": lambda m: _tuple(m, 3),
    b"t": _push(lambda m: tuple(m.to_mark())),
    b"]": _push(lambda m: []),
    b"l": _push(lambda m: m.to_mark()),
    b"a": _append,
    b"e": lambda m: m.append(m.to_mark()),
    b"}": _push(lambda m: {}),
    b"d": lambda m: m.push_dict(m.to_mark()),
    b"s": _set_item,
    b"u": lambda m: m.set_items(m.to_mark()),
    b"\x8f": _push(lambda m: set()),
    b"\x90": _add_items,
    b"\x91": _push(lambda m: frozenset(scalar_key(item) for item in m.to_mark())),
    b"g": lambda m: m.recall(int(m.line())),
    b"h": lambda m: m.recall(m.number("<B")),
    b"j": lambda m: m.recall(m.number("<I")),
    b"p": lambda m: m.memoize(int(m.line())),
    b"q": lambda m: m.memoize(m.number("<B")),
    b"r": lambda m: m.memoize(m.number("<I")),
    b"\x94": lambda m: m.memoize(len(m.memo)),
    b"c": lambda m: m.find(m.line().decode(), m.line().decode()),
    b"\x93": _stack_global,
    b"R": _Machine.reduce,
    b"\x81": lambda m: m.new_object(False),
    b"\x92": lambda m: m.new_object(True),
    b"i": _inst,
    b"o": _obj,
    b"b": _Machine.build,
    b"P": lambda m: m.stack.append(m.persistent(m.line().decode())),
    b"Q": lambda m: m.stack.append(m.persistent(m.popped())),
    b"\x97": lambda m: m.refuse("keeps values outside of the file"),
    b"\x98": lambda m: m.refuse("keeps values outside of the file"),
    b"\x82": lambda m: m.refuse("holds an extension code"),
    b"\x83": lambda m: m.refuse("holds an extension code"),
    b"\x84": lambda m: m.refuse("holds an extension code"),
}
