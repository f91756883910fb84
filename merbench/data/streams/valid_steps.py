"""The real steps of a stream's rows, in blocks of bounded size."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np

from merbench.api.material.corpus import Stream

BLOCK = 2**21  # numbers in memory at a time: 16 MiB as float64


def valid_steps(stream: Stream, rows: np.ndarray) -> Iterator[np.ndarray]:
    """The values of the given rows' real steps, row after row, in blocks of bounded size (a row is
    never cut). What was read of a mapped file is not kept in memory.
    """
    width = int(np.prod(stream.values.shape[1:])) or 1
    length = stream.length[rows].astype(np.int64)
    block = np.cumsum(length) * width // BLOCK
    for part in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(block)) + 1):
        n = length[part]
        within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        yield stream.values[np.repeat(stream.start[rows[part]], n) + within]
        _release_pages(stream.values)


def _release_pages(values: np.ndarray) -> None:
    """Of a mapped file, what was read counts as the process's memory until it is given back; it is
    read again where it is asked for.
    """
    mapped: Any = values
    while isinstance(mapped, np.ndarray) and not isinstance(mapped, np.memmap):
        mapped = mapped.base
    if isinstance(mapped, np.memmap) and mapped.mode == "r" and hasattr(mmap, "MADV_DONTNEED"):
        mapped._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def count_not_finite(stream: Stream) -> int:
    """Values of real steps that are NaN or infinite (as float32, in which models read them)."""
    with np.errstate(over="ignore"):
        return sum(
            int((~np.isfinite(x_TD.astype(np.float32, copy=False))).sum())
            for x_TD in valid_steps(stream, np.arange(len(stream.length)))
        )


def steps_key(stream: Stream, rows: np.ndarray) -> str:
    """Which steps of which file: the name under which their statistics are stored."""
    digest = hashlib.sha256(stream.sha256.encode())
    for bounds in (stream.start, stream.length):
        digest.update(np.ascontiguousarray(bounds[rows], dtype="<i8").data)
    return digest.hexdigest()[:32]
