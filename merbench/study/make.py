"""Makes a study's runs: each exactly once, also with other workers on the store; a failed run does
not stop the others.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from merbench.api import RequestError, Split
from merbench.api.events import ignore
from merbench.api.parts import Executor
from merbench.results.records.record import Record
from merbench.results.store.claims import Claims
from merbench.results.store.store import Store
from merbench.runs.jobs import warm
from merbench.runs.machine import Machine
from merbench.runs.one_run import run_one
from merbench.runs.runs_of_a_plan import Work
from merbench.runs.workspace import Workspace
from merbench.study.layout import PlannedRun

TRIES = 2
"""A run whose process dies is tried so often."""


class Worker:
    """Makes one run: called in a process of its own, on any machine that has the same data and
    reaches ``store``.

    ``threads``: of one run; None = what the process is given where it is made.
    """

    def __init__(self, workspace: Workspace, store: Path, device: str, threads: int | None) -> None:
        self.workspace, self.store = workspace, Store(store)
        self.device, self.threads = device, threads
        self.store.require_same_folder()  # so that every process knows which one it is
        warm()

    def __call__(self, run: PlannedRun) -> None:
        """Leaves a record, done or failed; or nothing, where another process is at it."""
        self.store.require_room()
        claim = Claims(self.store.root).take(run.run_id)
        if claim is None:
            return
        with claim:
            work, split = self._work(run)
            try:
                if work.run_id(run.seed, split) != run.run_id:
                    raise RequestError(
                        "plugins or data are others here than where the study was started; "
                        "bring both to the same state"
                    )
                work.encode(ignore)
                run_one(work, run.seed, split, ignore)
            except Exception as error:
                # Whatever a part raises: the other runs continue, and the record says why.
                work.failed(run.seed, split, error, run.run_id)

    def failed(self, run: PlannedRun, sentence: str) -> None:
        """Leaves the record of a run whose process could not."""
        work, split = self._work(run)
        work.failed(run.seed, split, sentence, run.run_id)

    def _work(self, run: PlannedRun) -> tuple[Work, Split]:
        plan = self.workspace.plan(run.dataset, run.request)
        machine = Machine.choose(self.device, self.threads)
        work = Work(
            plan,
            self.workspace.corpus(run.dataset),
            self.store,
            machine,
            tuned_by=run.tuned_by,
        )
        return work, next(split for split in plan.protocol.splits if split.fold == run.fold)


@dataclass(frozen=True)
class Ended:
    """What became of a run. ``elsewhere``: it was made, and its record is not in this store."""

    run: PlannedRun
    how: Literal["done", "failed", "elsewhere"]
    record: Record | None = None


def make(
    runs: Sequence[PlannedRun],
    executor: Executor,
    worker: Callable[[PlannedRun], object],
    store: Store,
    failed: Callable[[PlannedRun, str], object],
) -> Iterator[Ended | None]:
    """Every run that the store lacks, until each has ended. Yields None while nothing ends.

    A run whose process dies is tried once more, then ``failed(run, sentence)`` leaves its record.
    A run that another process is at is waited for, and taken over should that process die. What had
    failed before is tried again, once.
    """
    claims = Claims(store.root)
    progress = _Progress(store, {run.run_id: _stamp(store, run) for run in runs})
    tries = Counter[str]()
    remaining = list(runs)
    while remaining:
        ended, free, busy = progress.sort(remaining, claims.held())
        yield from ended
        remaining = busy
        if busy and not free:
            yield None
            time.sleep(0.5)
        for outcome in executor(worker, free) if free else ():
            if outcome is None:
                yield None
                continue
            run, error = outcome
            end = progress.end_of(run)
            if end is None and run.run_id not in claims.held():
                store.require_room()  # else every other run would fail for the same reason
                tries[run.run_id] += 1
                if tries[run.run_id] == TRIES:
                    end = Ended(run, "elsewhere")
                    if error:
                        failed(run, error)
                        end = progress.end_of(run)
            if end:
                yield end
            else:
                remaining.append(run)


class _Progress:
    """``stamps``: run id -> that of the record that was there at the beginning."""

    def __init__(self, store: Store, stamps: Mapping[str, int]) -> None:
        self.store, self.stamps = store, stamps

    def end_of(self, run: PlannedRun) -> Ended | None:
        """None while the run is not finished; a failure of before does not count."""
        record = self.store.get(run.run_id)
        if record is None:
            return None
        is_new = _stamp(self.store, run) != self.stamps[run.run_id]
        return Ended(run, record.status, record) if record.status == "done" or is_new else None

    def sort(
        self, runs: Sequence[PlannedRun], claimed: Container[str]
    ) -> tuple[list[Ended], list[PlannedRun], list[PlannedRun]]:
        """Those that have ended, that can be started, and that another process is working on."""
        ended, free, busy = list[Ended](), list[PlannedRun](), list[PlannedRun]()
        for run in runs:
            if end := self.end_of(run):
                ended.append(end)
            else:
                (busy if run.run_id in claimed else free).append(run)
        return ended, free, busy


def _stamp(store: Store, run: PlannedRun) -> int:
    """Changes when the record is written anew; 0 where there is none."""
    try:
        return (store.runs / f"{run.run_id}.json").stat().st_mtime_ns
    except FileNotFoundError:
        return 0
