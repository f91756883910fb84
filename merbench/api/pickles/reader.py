"""A pickle, read opcode by opcode within a budget of memory."""

from __future__ import annotations

from typing import Any, BinaryIO

from merbench.api.pickles.arrays import Kept
from merbench.api.pickles.budget import Budget, NotWhole, Refused
from merbench.api.pickles.machine import Machine, Persistent, plain
from merbench.api.pickles.opcodes import OPCODES

# What an object costs in memory at most, with its place on the stack: by the opcode that makes it.
_OBJECT = 48
_COSTS = dict.fromkeys((b"}", b"d", b"\x8f", b"\x91"), 256)
_COSTS |= dict.fromkeys((b"q", b"r", b"\x94", b"p", b"R", b"\x81", b"i", b"o", b"Q", b"P"), 160)
_COSTS |= dict.fromkeys((b"]", b"l", b"t", b"\x85", b"\x86", b"\x87"), 88)
_COSTS |= dict.fromkeys((b"h", b"j", b"g", b"N", b"\x88", b"\x89", b"K", b"2"), 12)
_COSTS |= dict.fromkeys((b"0", b"1", b"a", b"e", b"b"), 8)


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
    return plain(_run(Machine(file, end, kept, budget, persistent)))


def _run(machine: Machine) -> Any:
    read, table, spend, costs = machine.file.read, OPCODES, machine.budget.spend, _COSTS
    while True:
        code = read(1)
        spend(costs.get(code, _OBJECT))
        if code == b".":
            return machine.stack.pop()
        action = table.get(code)
        if action is None:
            raise NotWhole(
                f"byte {machine.file.tell() - 1} is no opcode" if code else "it ends in the middle"
            )
        action(machine)
