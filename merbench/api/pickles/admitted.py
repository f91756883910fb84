"""The names that a pickle may refer to. Each maps to a small function of ours over plain values,
never to the object that it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from merbench.api.pickles.arrays import Array, Blob
from merbench.api.pickles.budget import NotWhole, Refused

_DTYPE = re.compile(r"[<>|=]?(\?|b1|[iu][1248]|f[248]|[US]\d{1,6}|O8?)")


class Maker:
    """A name that a pickle may call, or build an object of, with plain arguments."""

    def __init__(self, name: str, make: Callable[..., Any]) -> None:
        self.name, self.make = name, make


@dataclass
class Dtype:
    """A numpy dtype under construction: its byte order is set after it was made."""

    code: str
    order: str = "="

    def build(self, state: Any) -> None:
        if (
            not isinstance(state, tuple)
            or len(state) < 5
            or state[2:5] != (None, None, None)
            or state[1] not in ("<", ">", "|", "=")
        ):
            raise Refused("holds a numpy array with named fields or of a type of its own")
        self.order = state[1]

    @property
    def numpy(self) -> np.dtype:
        return np.dtype(
            self.order + self.code if self.order != "=" or self.code[0] in "US" else "<" + self.code
        )


class Empty:
    """A numpy array under construction: ``array`` is there once its state is set."""

    array: Array | None = None

    def build(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise NotWhole("the state of an array is none")
        shape, dtype, fortran, data = state[-4:]
        if not isinstance(dtype, Dtype) or not isinstance(shape, tuple):
            raise NotWhole("the state of an array is none")
        self.array = Array(
            dtype.numpy, shape, data if isinstance(data, list) else _raw(data), bool(fortran)
        )


class Inert:
    """A settings object (argparse and its like) as the mapping of its attributes, ``settings``."""

    def __init__(self, *args: Any) -> None:
        self.settings: dict[str, Any] = {}

    def build(self, state: Any) -> None:
        if not isinstance(state, dict) or not all(type(key) is str for key in state):
            raise NotWhole("the state of a settings object is no mapping")
        self.settings = state


def _raw(data: Any) -> Blob | bytes:
    """Bytes; a string of Python 2 was read as latin1."""
    if isinstance(data, str):
        return data.encode("latin1")
    if isinstance(data, bytes | Blob):
        return data
    raise NotWhole("the values of an array are no bytes")


def _dtype(code: Any, align: Any = False, copy: Any = True) -> Dtype:
    code = code.decode("latin1") if isinstance(code, bytes) else code
    if not isinstance(code, str) or not (match := _DTYPE.fullmatch(code)):
        raise Refused("holds a numpy array of a type that is none of numbers or texts")
    return Dtype(
        "b1" if match[1] == "?" else "O" if match[1][0] == "O" else match[1],
        code[0] if code[0] in "<>|" else "=",
    )


def _array(kind: Any, shape: Any = (0,), code: Any = b"b") -> Empty:
    if not isinstance(kind, Maker) or kind.name != "numpy.ndarray":
        raise Refused("holds a numpy array of a class of its own")
    return Empty()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> Array:
    if (
        not isinstance(dtype, Dtype)
        or not isinstance(shape, tuple)
        or order not in ("C", "F")
        or axes is not None
    ):
        raise NotWhole("an array from a buffer has no dtype, shape or order")
    return Array(dtype.numpy, shape, _raw(data), order == "F")


def _scalar(dtype: Any, data: Any = b"") -> Any:
    if not isinstance(dtype, Dtype) or dtype.numpy.hasobject:
        raise Refused("holds a numpy scalar of an object")
    raw, size = _raw(data), dtype.numpy.itemsize
    value = raw.part(0, min(size, raw.size)) if isinstance(raw, Blob) else raw
    return np.frombuffer(value, dtype.numpy, 1)[0].item()


def _encode(text: Any, encoding: Any = "latin1") -> Any:
    """How Python 3 writes bytes below protocol 3."""
    if encoding not in ("latin1", "latin-1"):
        raise Refused("holds bytes that are not encoded as latin1")
    if isinstance(text, Blob) and text.how == "text":
        return Blob(text.file, text.offset, text.size, "latin1")
    return text.encode("latin1")


def _mapping(items: Any = ()) -> dict[Any, Any]:
    mapping: dict[Any, Any] = {}
    for key, value in items if isinstance(items, list | tuple) else ():
        mapping[scalar_key(key)] = value
    return mapping


def _reconstructor(kind: Any, base: Any, state: Any) -> Any:
    """How protocols 0 and 1 make an object: ``copyreg._reconstructor(cls, object, None)``."""
    if not isinstance(kind, Maker) or kind.make is not Inert:
        raise Refused(f"makes an object of {getattr(kind, 'name', 'no class')}")
    return Inert()


def scalar_key(key: Any) -> Any:
    """A key of a mapping or member of a set: only plain ones, because hashing nested tuples may
    never end.
    """
    if type(key) not in (str, int, float, bool, bytes, type(None)):
        raise Refused(f"uses a {type(key).__name__} as the key of a mapping or in a set")
    return key


def _bytes(*args: Any) -> bytes:
    if not args or args == ("",):
        return b""
    data = args[0]
    return (
        data.encode("latin1")
        if isinstance(data, str)
        else bytes(data.bytes() if isinstance(data, Blob) else memoryview(data))
    )


def _never(*args: Any) -> Any:
    raise Refused("calls a class that is only named")


_PLAIN: Mapping[str, Callable[..., Any]] = {
    "numpy.ndarray": _never,
    "numpy.dtype": _dtype,
    "_codecs.encode": _encode,
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": lambda factory=None, items=(): _mapping(items),
    "argparse.Namespace": Inert,
    "optparse.Values": Inert,
    "types.SimpleNamespace": Inert,
}
_BUILTINS: Mapping[str, Callable[..., Any]] = {
    "bytes": _bytes,
    "bytearray": _bytes,
    "set": lambda items=(): {scalar_key(item) for item in items},
    "frozenset": lambda items=(): {scalar_key(item) for item in items},
    "list": lambda items=(): [*items] if isinstance(items, list | tuple) else [],
    "tuple": lambda items=(): (*items,) if isinstance(items, list | tuple) else (),
    "dict": _mapping,
    "object": _never,
}
_NUMPY: Mapping[str, Callable[..., Any]] = {
    "multiarray._reconstruct": _array,
    "multiarray.scalar": _scalar,
    "numeric._frombuffer": _from_buffer,
}
ADMITTED = {
    name: Maker(name, make)
    for name, make in {
        **_PLAIN,
        **{
            f"{module}.{name}": make
            for module in ("builtins", "__builtin__")
            for name, make in _BUILTINS.items()
        },
        **{
            f"{module}.{name}": make
            for module in ("numpy.core", "numpy._core")
            for name, make in _NUMPY.items()
        },
        **{f"{module}._reconstructor": _reconstructor for module in ("copyreg", "copy_reg")},
    }.items()
}
"""By full name; ``numpy.core`` is numpy 1, ``numpy._core`` numpy 2; ``__builtin__`` and
``copy_reg`` are Python 2's.
"""
