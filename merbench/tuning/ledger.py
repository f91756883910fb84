"""Who tries what: exactly so many trials, each finished once, whatever happens to the workers.

Optuna's storages have one rule that several workers can rely on: trials are numbered, and a trial
is finished by one of them only. The rest follows from the list of trials alone, so that all workers
come to the same answer without speaking to one another:

- A trial whose worker is gone is failed as *lost*, and its parameters wait as an *heir*. A chain of
  heirs counts once.
- Of two trials that are there twice (an heir made by two workers, a planned trial enqueued by two),
  the first counts.
- The first N chains count. Two workers that begin the last one at once have begun one too many, and
  the later one is dropped.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

PLANNED, HEIR_OF, END, WORKER, BEAT = "planned", "heir_of", "end", "worker", "beat"
"""User attributes of a trial. ``planned``: a number, for those that were enqueued (0 = the default
settings).
"""
LOST, SURPLUS, IMPOSSIBLE = "lost", "surplus", "impossible"
"""``end`` of a failed trial that counts for nothing; of any other it is the error."""


class Ledger:
    """What the trials of a study amount to, when ``wanted`` are to be finished."""

    def __init__(self, trials: Sequence[FrozenTrial], wanted: int) -> None:
        self.trials = {t.number: t for t in trials}
        self.wanted = wanted
        self.heir: dict[int, int] = {}
        for trial in trials:
            if (parent := trial.user_attrs.get(HEIR_OF)) is not None:
                self.heir.setdefault(parent, trial.number)

    def chain(self, root: int) -> FrozenTrial:
        """The trial that stands for a root: its last heir."""
        while root in self.heir:
            root = self.heir[root]
        return self.trials[root]

    @cached_property
    def roots(self) -> list[int]:
        """The first ``wanted`` trials that are no heirs. A drawn combination that could not be
        built is none of them.
        """
        planned, found = set(), []
        for number, trial in self.trials.items():
            slot, end = trial.user_attrs.get(PLANNED), self.chain(number).user_attrs.get(END)
            if (
                HEIR_OF in trial.user_attrs
                or slot in planned
                or end == SURPLUS
                or (end == IMPOSSIBLE and slot is None)
            ):
                continue
            if slot is not None:
                planned.add(slot)
            found.append(number)
        return found[: self.wanted]

    def root(self, number: int) -> FrozenTrial:
        """The trial whose parameters these were first."""
        while (parent := self.trials[number].user_attrs.get(HEIR_OF)) is not None:
            number = parent
        return self.trials[number]

    def counts(self, number: int) -> bool:
        """Whether this trial is the one that stands for one of the wanted."""
        root = self.root(number).number
        return root in self.roots and self.chain(root).number == number

    @property
    def standing(self) -> Iterator[FrozenTrial]:
        """One trial a root."""
        return (self.chain(root) for root in self.roots)

    @cached_property
    def finished(self) -> list[FrozenTrial]:
        """Complete, pruned or failed by themselves, in the order in which they were drawn."""
        return [t for t in self.standing if t.state.is_finished() and not _lost(t)]

    @cached_property
    def waiting(self) -> list[FrozenTrial]:
        return [t for t in self.standing if t.state == TrialState.WAITING]

    @property
    def owed(self) -> list[FrozenTrial]:
        """Lost, and nobody has enqueued them yet."""
        return [t for t in self.standing if _lost(t)]

    @property
    def open(self) -> int:
        """How many are still to be drawn."""
        return self.wanted - len(self.roots)

    @property
    def done(self) -> bool:
        return len(self.finished) == self.wanted

    @property
    def impossible(self) -> list[FrozenTrial]:
        """Drawn, and their settings did not fit one another."""
        return [t for t in self.trials.values() if t.user_attrs.get(END) == IMPOSSIBLE]

    @property
    def seconds(self) -> float:
        """Training that was spent, on trials that counted for nothing too; not what a killed worker
        did.
        """
        return float(sum(t.user_attrs.get("seconds", 0.0) for t in self.trials.values()))


class Worker:
    """This process as a worker of a study: it marks what it tries as its own, and tells from
    others' marks whether they are gone.

    A worker of this machine (host, boot and process namespace) is gone when its process is. One of
    another machine, whose clock may be wrong, is gone when its mark has not changed for ``grace``
    seconds by our own clock. Nothing depends on this being right: a worker that was only asleep
    finds that its trial has been taken from it, and drops it.
    """

    def __init__(
        self,
        storage: BaseStorage,
        beat: float = 30.0,
        grace: float = 300.0,
        unclaimed: float = 10.0,
    ) -> None:
        self.storage, self.beat, self.grace, self.unclaimed = storage, beat, grace, unclaimed
        self.name = {
            "host": _host(),
            "pid": os.getpid(),
            "started": round(psutil.Process().create_time(), 1),
        }
        self.taken = False
        self._seen: dict[int, tuple[Any, float]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def claim(self, trial_id: int) -> None:
        self.storage.set_trial_user_attr(trial_id, WORKER, self.name)

    def start(self, trial_id: int) -> None:
        """Mark the trial as ours every ``beat`` seconds until ``stop``. ``taken`` tells when
        somebody has failed it meanwhile.
        """

        def go_on() -> None:
            while not self._stop.wait(self.beat):
                try:
                    self.storage.set_trial_user_attr(
                        trial_id, BEAT, datetime.now(UTC).isoformat(timespec="seconds")
                    )
                except UpdateFinishedTrialError:
                    self.taken = True
                    return

        self.taken = False
        self._stop.clear()
        self._thread = threading.Thread(target=go_on, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def gone(self, trial: FrozenTrial) -> bool:
        """Whether the worker of a running trial is gone."""
        worker = trial.user_attrs.get(WORKER)
        if worker and worker["host"] == self.name["host"]:
            return not _lives(worker["pid"], worker["started"])
        mark, now = (worker, trial.user_attrs.get(BEAT)), time.monotonic()
        if self._seen.get(trial.number, (None, now))[0] != mark:
            self._seen[trial.number] = mark, now
        return now - self._seen[trial.number][1] > (self.grace if worker else self.unclaimed)


def _lost(trial: FrozenTrial) -> bool:
    # A worker that was taken for gone may have finished it after the mark and before the state.
    return trial.state == TrialState.FAIL and trial.user_attrs.get(END) == LOST


def end(storage: BaseStorage, trial_id: int, reason: str) -> None:
    """Fail a trial for a reason, unless it is finished by now."""
    try:
        storage.set_trial_user_attr(trial_id, END, reason)
        storage.set_trial_state_values(trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:
        pass


def enqueue_heir(study: Study, trial: FrozenTrial) -> None:
    """What was drawn waits to be tried again."""
    study.enqueue_trial(
        {**trial.system_attrs.get("fixed_params", {}), **trial.params},
        user_attrs={HEIR_OF: trial.number},
    )


def _host() -> str:
    """Two processes with the same answer see each other's process numbers: machine, its boot and,
    where there are such, the namespace.
    """
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    return " ".join(
        (
            socket.gethostname(),
            *([boot.read_text().strip(), str(namespace.readlink())] if boot.exists() else []),
        )
    )


def _lives(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        # A process number is given again; a killed child stays in the table until its parent asks
        # for it.
        return bool(
            abs(process.create_time() - started) < 2 and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.NoSuchProcess:
        return False
