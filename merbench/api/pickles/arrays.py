"""Bytes and arrays inside a file, by offset; only what is used is read."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np

from merbench.api.pickles.budget import NotWhole

_CHUNK = 2**22
_MOST_DIMENSIONS = 64
_MOST_EMPTY = 10**7


class Kept:
    """A file that stays open while an array in it is wanted."""

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


class Blob:
    """``size`` bytes at ``offset`` of a file. ``how``: raw bytes; text in UTF-8; or bytes that were
    written as latin1 text in UTF-8.
    """

    def __init__(
        self, file: Kept, offset: int, size: int, how: Literal["raw", "text", "latin1"] = "raw"
    ) -> None:
        self.file, self.offset, self.size, self.how = file, offset, size, how

    def part(self, start: int, size: int) -> bytes:
        """Of the bytes as they lie there."""
        chunk = os.pread(self.file.number, size, self.offset + start)
        while len(chunk) < size:
            next_bytes = os.pread(
                self.file.number, size - len(chunk), self.offset + start + len(chunk)
            )
            if not next_bytes:
                raise NotWhole("the file was cut off while it was read")
            chunk += next_bytes
        return chunk

    def bytes(self) -> bytes:
        """All of them, decoded piece by piece where they were written as text."""
        if self.how == "raw":
            return self.part(0, self.size)
        content, incomplete = bytearray(), b""
        for start in range(0, self.size, _CHUNK):
            piece = incomplete + self.part(start, min(_CHUNK, self.size - start))
            # A letter of latin1 takes two bytes at most: one may be cut in two at the end.
            cut = len(piece) - (piece[-1] >= 0xC0)
            incomplete = piece[cut:]
            content += piece[:cut].decode().encode("latin1")
        if incomplete:
            raise NotWhole("a text of it is no UTF-8")
        return bytes(content)


def as_text(value: Any) -> str:
    """A string of a pickle, which may be long enough to have been left in the file; TypeError for
    anything else.
    """
    if isinstance(value, Blob) and value.how == "text":
        return value.part(0, value.size).decode()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, str):
        return value
    raise TypeError(f"a {type(value).__name__} is where a text belongs")


def check_shape(shape: tuple[Any, ...], dtype: np.dtype) -> None:
    """NotWhole where it is none, or so large where it holds nothing that walking it never ends."""
    if len(shape) > _MOST_DIMENSIONS or any(
        type(n) is not int or not 0 <= n < 2**48 for n in shape
    ):
        raise NotWhole("the shape of an array is none")
    if math.prod(shape) * dtype.itemsize == 0 and math.prod(n or 1 for n in shape) > _MOST_EMPTY:
        raise NotWhole("an array holds nothing, and has millions of rows of it")


class Array:
    """A numpy array or torch tensor of a pickle: ``dtype``, ``shape``; ``array[i]`` reads row i
    alone, ``read()`` all of it.

    An array of Python objects (dtype object) gives its objects, one of several dimensions arrays of
    them; one without dimensions holds a single object, ``item()``.
    """

    def __init__(
        self,
        dtype: np.dtype,
        shape: tuple[int, ...],
        data: Blob | bytes | list[Any],
        fortran: bool = False,
    ) -> None:
        self.dtype, self.shape, self._data, self._fortran = dtype, shape, data, fortran
        check_shape(shape, dtype)
        if dtype.hasobject:
            if not isinstance(data, list) or len(data) != math.prod(shape):
                raise NotWhole("an array of objects has not as many objects as it says")
            return
        size = data.size if isinstance(data, Blob) else len(data)
        if isinstance(data, list) or (
            (not isinstance(data, Blob) or data.how == "raw") and size != self._bytes
        ):
            raise NotWhole("an array does not have the bytes that its shape says")

    @property
    def _bytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a single number has no rows")
        return self.shape[0]

    def __getitem__(self, row: int) -> Any:
        data = self._data
        if not 0 <= row < len(self):
            raise IndexError("an array has fewer rows than are asked for")
        if isinstance(data, list):
            return data[row] if self.ndim == 1 else self._row_of_objects(data, row)
        if self._fortran or not isinstance(data, Blob) or data.how != "raw":
            return self.read()[row]
        size = self._bytes // len(self)
        return np.frombuffer(data.part(row * size, size), self.dtype).reshape(self.shape[1:])

    def _row_of_objects(self, data: list[Any], row: int) -> Array:
        size = len(data) // len(self)
        return Array(self.dtype, self.shape[1:], data[row * size : (row + 1) * size])

    def item(self) -> Any:
        """What an array without dimensions holds; TypeError of any other."""
        if self.shape:
            raise TypeError("an array of several values is where one value belongs")
        return self._data[0] if isinstance(self._data, list) else self.read().item()

    def read(self) -> np.ndarray:
        """The whole array. What was written as text is decoded once."""
        data = self._data
        if isinstance(data, list):
            raise TypeError("an array of Python objects is where numbers belong")
        if isinstance(data, Blob):
            encoded = data.how != "raw"
            data = data.bytes()
            if len(data) != self._bytes:
                raise NotWhole("an array does not have the bytes that its shape says")
            if encoded:
                self._data = data
        return np.frombuffer(data, self.dtype).reshape(
            self.shape, order="F" if self._fortran else "C"
        )
