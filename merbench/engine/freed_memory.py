"""Memory that one batch leaves is the next one's, where the C library would give it back."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# Of glibc's malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD and M_MMAP_MAX.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
# What glibc itself arrives at in a process that has freed a large piece, and its default.
_LARGE_PIECE = 2**25
_AFTERWARDS = {_MMAP_THRESHOLD: _LARGE_PIECE, _TRIM_THRESHOLD: 2**26, _MMAP_MAX: 2**16}
ONE_PASS = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1}
"""All of it, where rows go through once, in large pieces: clearing their pages anew was a seventh
of the CPU seconds of encoding clips, and a quarter of those of the floor ridge."""
TRAINING = {_MMAP_THRESHOLD: _LARGE_PIECE, _TRIM_THRESHOLD: 2**28}
"""At most 256 MiB, since training needs most memory: a third of the CPU seconds of a step of TFN
at published size went to pages that the step before had given back."""


@contextmanager
def freed_memory_kept(options: Mapping[int, int]) -> Iterator[None]:
    """In the block this process keeps what it frees, and gives it back at the end.

    glibc takes every piece above 32 MiB from the kernel and gives it back when it is freed, and
    what is free at the heap's end above 64 MiB too. Other C libraries are left as they are.
    """
    libc = ctypes.CDLL(None) if os.name == "posix" else None
    if not (hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim")):
        yield
        return
    assert libc
    for option, value in options.items():
        libc.mallopt(option, value)
    try:
        yield
    finally:
        for option, value in _AFTERWARDS.items():
            libc.mallopt(option, value)
        libc.malloc_trim(0)
