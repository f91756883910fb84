"""This process as one of the workers of a search, and which of the others are gone."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from merbench.results.processes import machine, started

WORKER, BEAT = "worker", "beat"
"""User attributes of a trial: whose it is, and that worker's last sign of life."""


class Worker:
    """Marks what it tries as its own, and sees by others' marks whether they are gone.

    A worker of this machine (host, boot and process namespace) is gone when its process is. One of
    another machine, whose clock may be wrong, is gone when its mark has not changed for ``grace``
    seconds by our own clock. Nothing depends on this being right: a worker that was only asleep
    finds that its trial was failed by another, and drops it.
    """

    def __init__(
        self,
        storage: BaseStorage,
        beat: float = 30.0,
        grace: float = 300.0,
        unclaimed: float = 10.0,
    ) -> None:
        self.storage, self.beat, self.grace, self.unclaimed = storage, beat, grace, unclaimed
        self.name = {"host": machine(), "pid": os.getpid(), "started": started(os.getpid())}
        self.lost_trial = False
        """Another worker has failed the trial that this one is at."""
        self._claimed: int | None = None
        self._marks: dict[int, tuple[Any, float]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def claim(self, trial_id: int) -> None:
        self._claimed = trial_id
        self.storage.set_trial_user_attr(trial_id, WORKER, self.name)

    def start(self, trial_id: int) -> None:
        """Mark the trial as ours every ``beat`` seconds until ``stop``."""

        def keep_marking() -> None:
            while not self._stop.wait(self.beat):
                time_text = datetime.now(UTC).isoformat(timespec="seconds")
                try:
                    self.storage.set_trial_user_attr(trial_id, BEAT, time_text)
                except UpdateFinishedTrialError:
                    self.lost_trial = True
                    return
                except Exception:  # a storage that is away; the trial itself will find it too
                    continue

        self.lost_trial = False
        self._stop.clear()
        self._thread = threading.Thread(target=keep_marking, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._claimed = None
        if self._thread:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def is_gone(self, trial: FrozenTrial) -> bool:
        """True if the worker of a running trial is gone."""
        worker = trial.user_attrs.get(WORKER)
        if worker == self.name:
            # Its end was not written, say because the disk was full: nobody is at it any more.
            return trial._trial_id != self._claimed
        if worker and worker["host"] == self.name["host"]:
            return bool(started(worker["pid"]) != worker["started"])
        mark, seconds = (worker, trial.user_attrs.get(BEAT)), time.monotonic()
        known_mark, since = self._marks.get(trial.number, (None, seconds))
        if known_mark != mark:
            self._marks[trial.number], since = (mark, seconds), seconds
        return seconds - since > (self.grace if worker else self.unclaimed)
