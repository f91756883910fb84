"""A search's journal: Optuna's file of one operation a line, which all workers append to."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages import BaseStorage
from optuna.storages.journal import BaseJournalBackend, JournalStorage
from optuna.trial import TrialState

from merbench.results.files import errors_name

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


_STATE = 6
_WITHIN_A_TRIAL = {4, 5, 7, 8, 9}
"""Operations as the lines of a journal number them: a trial gets a state; it is made, a parameter
drawn, a value reported, an attribute set.
"""


class JournalFile(BaseJournalBackend):
    """Brings the file to the disk when a trial has finished, and not with each of the dozen lines
    that a trial has before: a power cut takes at most the trials under way, which are tried again.
    A killed process takes nothing, because what it wrote is the system's.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, JournalLock(path)
        path.open("ab").close()
        self._read_lines, self._read_bytes = 0, 0
        self._holders, self._turn = 0, threading.Lock()

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """Whole lines; a last one without an end is still being written, or never will be."""
        if log_number_from != self._read_lines:
            self._read_lines, self._read_bytes = 0, 0
        if self._path.stat().st_size == self._read_bytes:
            return []
        with self._path.open("rb") as file:
            file.seek(self._read_bytes)
            unread = file.read()
        lines = unread[: unread.rfind(b"\n") + 1].splitlines(keepends=True)
        logs = [json.loads(line) for line in lines[log_number_from - self._read_lines :]]
        self._read_lines += len(lines)
        self._read_bytes += sum(map(len, lines))
        return logs

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with errors_name(self._path), self.held(), self._path.open("ab") as file:
            file.write(lines.encode())
            file.flush()
            if any(map(_must_last, logs)):
                os.fsync(file.fileno())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Locked once for all that is appended meanwhile, by whatever thread of this process."""
        with self._turn:
            if not self._holders:
                self._lock.acquire()
            self._holders += 1
        try:
            yield
        finally:
            with self._turn:
                self._holders -= 1
                if not self._holders:
                    self._lock.release()


class Journal(JournalStorage):
    """Optuna's storage over such a file."""

    def __init__(self, path: Path) -> None:
        self._file = JournalFile(path)
        super().__init__(self._file)

    def held(self) -> AbstractContextManager[None]:
        return self._file.held()


def written_together(storage: BaseStorage) -> AbstractContextManager[None]:
    """What is written meanwhile takes the lock of a journal once: the lock costs ten times a line.
    Nothing slow belongs inside, because other workers wait.
    """
    return storage.held() if isinstance(storage, Journal) else nullcontext()


def _must_last(log: dict[str, Any]) -> bool:
    if log["op_code"] == _STATE:
        return TrialState(log["state"]).is_finished()
    return log["op_code"] not in _WITHIN_A_TRIAL
