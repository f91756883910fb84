"""A study's runs, wherever they are made: each once, whoever else works on the store, and those
that fail beside those that do not.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from merbench.api import RequestError, Split
from merbench.api.parts import Executor
from merbench.results.claims import Claims
from merbench.results.record import Record
from merbench.results.store import Store
from merbench.runs.jobs import warm
from merbench.runs.machine import Machine
from merbench.runs.one import Work
from merbench.runs.workspace import Material
from merbench.study.layout import Unit

TRIES = 2
"""A run whose process dies is tried so often."""


class Worker:
    """Makes one run: called in a process of its own, on any machine that has the same data and
    reaches ``store``.

    ``threads``: of one run; None = what the process is given where it is made.
    """

    def __init__(self, material: Material, store: Path, device: str, threads: int | None) -> None:
        self.material, self.store = material, store
        self.device, self.threads = device, threads
        warm()

    def __call__(self, unit: Unit) -> None:
        """Leaves a record, done or failed; or nothing, where another process is at it."""
        claim = Claims(self.store).take(unit.run_id)
        if claim is None:
            return
        with claim:
            work, split = self._work(unit)
            try:
                if work.name(unit.seed, split) != unit.run_id:
                    raise RequestError(
                        "plugins or data are others here than where the study was started; bring both to the same state"
                    )
                work.encode(lambda event, info: None)
                work.run(unit.seed, split, lambda event, info: None)
            except Exception as error:
                # Whatever a part raises: the other runs go on, and the record tells.
                work.failed(unit.seed, split, error, unit.run_id)

    def failed(self, unit: Unit, sentence: str) -> None:
        """Leaves the record of a run whose process could not."""
        work, split = self._work(unit)
        work.failed(unit.seed, split, sentence, unit.run_id)

    def _work(self, unit: Unit) -> tuple[Work, Split]:
        plan = self.material.plan(unit.dataset, unit.request)
        machine = Machine.choose(self.device, self.threads)
        work = Work(
            plan,
            self.material.corpus(unit.dataset),
            Store(self.store),
            machine,
            tuned_by=unit.tuned_by,
        )
        return work, next(split for split in plan.protocol.splits if split.fold == unit.fold)


@dataclass(frozen=True)
class Ended:
    """What became of a run. ``elsewhere``: it was made, and its record is not in this store."""

    unit: Unit
    how: Literal["done", "failed", "elsewhere"]
    record: Record | None = None


def make(
    units: Sequence[Unit],
    executor: Executor,
    worker: Callable[[Unit], object],
    store: Store,
    failed: Callable[[Unit, str], object],
) -> Iterator[Ended | None]:
    """Every run that the store lacks, until each has ended. Yields None while nothing ends.

    A run whose process dies is tried once more, then ``failed(unit, sentence)`` leaves its record.
    A run that another process is at is waited for, and taken over should that process die. What had
    failed before is tried again, once.
    """
    claims = Claims(store.root)
    failed_before = {unit.run_id: _stamp(store, unit) for unit in units}
    tried = Counter[str]()

    def settled(unit: Unit) -> Ended | None:
        record = store.get(unit.run_id)
        if record and (
            record.status == "done" or _stamp(store, unit) != failed_before[unit.run_id]
        ):
            return Ended(unit, record.status, record)
        return None

    left = list(units)
    while left:
        held, free, busy = claims.held(), list[Unit](), list[Unit]()
        for unit in left:
            if end := settled(unit):
                yield end
            else:
                (busy if unit.run_id in held else free).append(unit)
        left = busy
        if busy and not free:
            yield None
            time.sleep(0.5)
        for ended in executor(worker, free) if free else ():
            if ended is None:
                yield None
                continue
            unit, error = ended
            end = settled(unit)
            if end is None and unit.run_id not in claims.held():
                tried[unit.run_id] += 1
                if tried[unit.run_id] == TRIES:
                    end = Ended(unit, "elsewhere")
                    if error:
                        failed(unit, error)
                        end = settled(unit)
            if end:
                yield end
            else:
                left.append(unit)


def _stamp(store: Store, unit: Unit) -> int:
    """Changes when the record is written anew; 0 where there is none."""
    try:
        return (store.runs / f"{unit.run_id}.json").stat().st_mtime_ns
    except FileNotFoundError:
        return 0
