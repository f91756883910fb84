"""A journal's lock, which every process that appends to it holds meanwhile."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import BinaryIO

from merbench.results.records.sealed import DamagedError

GRACE = 30.0
"""Seconds after which a plain Optuna writer's lock counts as left behind; Optuna's own patience."""


class JournalLock:
    """A journal's lock that plain Optuna writers (optuna-dashboard) respect and are respected by,
    that ends with the process that holds it, and that leaves whole lines.

    Optuna's own is a symlink beside the journal, which a killed process leaves behind: the others
    wait half a minute for it. So our processes first lock a file of their own (``flock``, which the
    system frees when a process ends), and then make Optuna's symlink, pointing at that file:
    whoever holds the file and finds such a symlink knows that its maker was killed. A line that was
    cut off by a kill would spoil the next one and with it the journal; its end is cut away here,
    because nobody has read it.
    """

    def __init__(self, path: Path) -> None:
        self._journal = path
        self._own = path.with_name(f"{path.name}.workers")
        self._symlink = path.with_name(f"{path.name}.lock")
        self._file: BinaryIO | None = None
        for file in (self._journal, self._own):
            if file.is_fifo():
                raise DamagedError(f"{file} is a pipe")

    def acquire(self) -> bool:
        self._file = self._own.open("ab")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        if self._is_ours():
            self._symlink.unlink(missing_ok=True)
        self._make_symlink()
        self._cut_partial_line()
        return True

    def release(self) -> None:
        assert self._file is not None
        # A writer that lost patience with us has its own there.
        if self._is_ours():
            self._symlink.unlink(missing_ok=True)
        self._file.close()
        self._file = None

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()

    def _is_ours(self) -> bool:
        return self._symlink.is_symlink() and str(self._symlink.readlink()) == self._own.name

    def _make_symlink(self) -> None:
        """Waits for a plain writer's lock; one unchanged for GRACE seconds is removed."""
        mark, since = None, time.monotonic()
        while True:
            try:
                self._symlink.symlink_to(self._own.name)
                return
            except FileExistsError:
                time.sleep(0.005)
            try:
                state = self._symlink.lstat()
            except FileNotFoundError:
                continue
            if mark != (state.st_ino, state.st_mtime_ns):
                mark, since = (state.st_ino, state.st_mtime_ns), time.monotonic()
            elif time.monotonic() - since > GRACE:
                self._symlink.unlink(missing_ok=True)

    def _cut_partial_line(self) -> None:
        if not self._journal.is_file():
            return
        with self._journal.open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            end_of_lines = end
            while end_of_lines:
                file.seek(end_of_lines - 1)
                if file.read(1) == b"\n":
                    break
                end_of_lines -= 1
            if end_of_lines < end:
                file.truncate(end_of_lines)
