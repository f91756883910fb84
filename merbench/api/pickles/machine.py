"""The pickle machine: a stack, marks and a memo, and what opcodes may do with them. It makes values
and calls nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, BinaryIO

from merbench.api.pickles.admitted import ADMITTED, Dtype, Empty, Inert, Maker, scalar_key
from merbench.api.pickles.arrays import Array, Blob, Kept
from merbench.api.pickles.budget import Budget, NotWhole, Refused, shown

LONG = 4096
"""Bytes and texts longer than this stay in the file."""

Persistent = Callable[[Any], Any]


def plain(value: Any) -> Any:
    return _PLAIN[type(value)](value) if type(value) in _PLAIN else value


def _array_of(empty: Empty) -> Array:
    if empty.array is None:
        raise NotWhole("an array has no state")
    return empty.array


_PLAIN: dict[type, Callable[[Any], Any]] = {Empty: _array_of, Inert: lambda made: made.settings}


class Machine:
    def __init__(
        self, file: BinaryIO, end: int, kept: Kept, budget: Budget, persistent: Persistent
    ) -> None:
        self.file, self.end, self.kept, self.persistent = file, end, kept, persistent
        self.budget = budget
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

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
        start = self.file.tell() if size > LONG else 0
        if size > LONG and start + size > self.end:
            raise NotWhole("it ends in the middle")
        if size <= LONG:
            self.budget.spend(size)
            self.stack.append(short(self.take(size)))
        else:
            self.stack.append(Blob(self.kept, start, size, how))
            self.file.seek(size, 1)

    # What they do with the stack.

    def popped(self) -> Any:
        if not self.stack or (self.marks and self.marks[-1] >= len(self.stack)):
            raise NotWhole("its stack is empty")
        return plain(self.stack.pop())

    def mark(self) -> None:
        self.marks.append(len(self.stack))

    def to_mark(self) -> list[Any]:
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return [plain(item) if type(item) in _PLAIN else item for item in items]

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

    def memoize(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        self.stack.append(self.memo[index])


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
