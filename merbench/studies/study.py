"""A study's runs, wherever they are made: each once, whoever else works on the store, and those that fail beside those that do not."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from merbench.api import RequestError
from merbench.api.parts import Executor
from merbench.results.claims import Claims
from merbench.results.provenance import describe
from merbench.results.record import Record
from merbench.results.spec import run_id
from merbench.results.store import Store
from merbench.studies.material import Material
from merbench.studies.run import Machine, failure, run
from merbench.studies.study_cells import Unit

TRIES = 2
"""A run whose process dies is tried so often."""


class Worker:
    """Makes one run: called in a process of its own, on any machine that has the same data and reaches ``store``."""

    def __init__(self, material: Material, store: Path, device: str, threads: int | None) -> None:
        self.material, self.store = material, store
        self.device, self.threads = device, threads
        # Once here, and not in every process that is forked from this one: torch imports its compiler, which takes seconds, when an
        # optimiser is first made, and provenance asks git.
        torch.optim.SGD([torch.zeros(1, requires_grad=True)])
        describe("cpu", 1, False)

    def __call__(self, unit: Unit) -> None:
        """Leaves a record, done or failed; or nothing, where another process is at it."""
        claim = Claims(self.store).take(unit.run_id)
        if claim is None:
            return
        with claim:
            store = Store(self.store)
            if (held := store.get(unit.run_id)) and held.status == "done":
                return
            machine = Machine.choose(self.device, self.threads)
            plan = self.material.plan(unit.dataset, unit.request)
            if run_id(plan.spec, plan.contents, unit.seed, unit.fold) != unit.run_id:
                raise RequestError("plugins or data are others here than where the study was started; bring both to the same state")
            about = {"model": unit.request.model, "seed": unit.seed, "fold": unit.fold}

            def watch(event: str, info: dict[str, Any]) -> None:
                if event == "epoch":
                    claim.tell({**about, "epoch": info["epoch"] + 1, "of": plan.train.epochs})

            claim.tell(about)
            try:
                corpus = self.material.corpus(unit.dataset)
                run(plan, corpus, [unit.seed], store, machine, folds=[unit.fold], tuned_by=unit.tuned_by, watch=watch)
            except Exception as error:
                # Whatever a part raises: the other runs go on, and the record tells.
                store.put(failure(plan, unit.seed, unit.fold, machine, error, unit.tuned_by))

    def failed(self, unit: Unit, sentence: str) -> Record:
        """The record of a run whose process could not write one."""
        plan = self.material.plan(unit.dataset, unit.request)
        machine = Machine(torch.device("cpu" if self.device == "auto" else self.device), self.threads or 1)
        return failure(plan, unit.seed, unit.fold, machine, sentence, unit.tuned_by)


@dataclass(frozen=True)
class Ended:
    """What became of a run. ``elsewhere``: it was made, and its record is not in this store."""

    unit: Unit
    how: Literal["done", "failed", "elsewhere"]
    record: Record | None = None


def make(
    units: Sequence[Unit], executor: Executor, worker: Callable[[Unit], object], store: Store, failed: Callable[[Unit, str], Record]
) -> Iterator[Ended | None]:
    """Every run that the store lacks, until each has ended. Yields None while nothing ends.

    A run whose process dies is tried once more, then ``failed(unit, sentence)`` makes its record. A run that another process is at is
    waited for, and taken over should that process die. What had failed before is tried again, once.
    """
    claims = Claims(store.root)
    failed_before = {unit.run_id: _stamp(store, unit) for unit in units}
    tried = Counter[str]()

    def settled(unit: Unit) -> Ended | None:
        record = store.get(unit.run_id)
        if record and (record.status == "done" or _stamp(store, unit) != failed_before[unit.run_id]):
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
                        store.put(failed(unit, error))
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


def share(jobs: int) -> int:
    """CPU threads of each of so many runs at once on this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(4, max(1, cores // jobs))
