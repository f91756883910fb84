"""Opcode -> what the machine does, as Python's ``pickletools`` describes it."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from typing import Any

from merbench.api.pickles.admitted import scalar_key
from merbench.api.pickles.budget import NotWhole, Refused
from merbench.api.pickles.machine import Machine


def _integer(line: bytes) -> int | bool:
    return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line)


def _quoted(line: bytes) -> str:
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise NotWhole("a string has no quotes")
    return codecs.escape_decode(line[1:-1])[0].decode("latin1")


def _big(m: Machine, size: int) -> int:
    if size > 1024:
        raise Refused("holds a number of more than a thousand bytes")
    return int.from_bytes(m.take(size), "little", signed=True)


def _latin1(data: bytes) -> str:
    return data.decode("latin1")


def _utf8(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _tuple(m: Machine, n: int) -> None:
    items = [m.popped() for _ in range(n)]
    m.stack.append(tuple(items[::-1]))


def _frame(m: Machine) -> None:
    m.number("<Q")


def _proto(m: Machine) -> None:
    if m.take(1)[0] > 5:
        raise Refused("is of a protocol above 5")


def _inst(m: Machine) -> None:
    m.find(m.line().decode(), m.line().decode())
    kind = m.stack.pop()
    m.instance(kind, m.to_mark())


def _obj(m: Machine) -> None:
    kind, *args = m.to_mark()
    m.instance(kind, args)


def _stack_global(m: Machine) -> None:
    name, module = m.popped(), m.popped()
    m.find(module, name)


def _append(m: Machine) -> None:
    m.append([m.popped()])


def _set_item(m: Machine) -> None:
    value, key = m.popped(), m.popped()
    m.set_items([key, value])


def _add_items(m: Machine) -> None:
    items = m.to_mark()
    m.top(set).update(scalar_key(item) for item in items)


def _pop(m: Machine) -> None:
    if m.marks and m.marks[-1] == len(m.stack):
        m.marks.pop()
    else:
        m.popped()


def _push(make: Callable[[Machine], Any]) -> Callable[[Machine], None]:
    return lambda m: m.stack.append(make(m))


OPCODES: dict[bytes, Callable[[Machine], Any]] = {
    b"\x80": _proto,
    b"\x95": _frame,
    b"(": Machine.mark,
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
    b"R": Machine.reduce,
    b"\x81": lambda m: m.new_object(False),
    b"\x92": lambda m: m.new_object(True),
    b"i": _inst,
    b"o": _obj,
    b"b": Machine.build,
    b"P": lambda m: m.stack.append(m.persistent(m.line().decode())),
    b"Q": lambda m: m.stack.append(m.persistent(m.popped())),
    b"\x97": lambda m: m.refuse("keeps values outside of the file"),
    b"\x98": lambda m: m.refuse("keeps values outside of the file"),
    b"\x82": lambda m: m.refuse("holds an extension code"),
    b"\x83": lambda m: m.refuse("holds an extension code"),
    b"\x84": lambda m: m.refuse("holds an extension code"),
}
