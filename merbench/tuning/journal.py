"""A search's journal: Optuna's file of one operation a line, which all workers append to."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage
from optuna.storages.journal import BaseJournalBackend, JournalStorage
from optuna.trial import TrialState

from merbench.results.files import errors_name
from merbench.tuning.journal_lock import JournalLock

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
        if not path.exists():  # who only looks on need not be able to write
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
