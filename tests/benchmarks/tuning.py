"""What a trial of a search costs beyond its training: proposing settings, building, bookkeeping."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.host.catalog import Catalog
from merbench.host.discovery import discover
from merbench.results.store.store import Store
from merbench.runs.machine import Machine
from merbench.testing import tiny
from merbench.tuning import trial
from merbench.tuning.search import tune
from merbench.tuning.shared_search import SearchConfig

TRIALS = 30


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """Of a model that trains in no time, on a handful of rows."""
    torch.set_num_threads(1)
    catalog = Catalog(discover())
    settings = {"train.epochs": 1, "train.batch_size": 8}
    request = Request("late-fusion-dnn", settings=settings)
    plan = resolve(request, catalog, tiny.corpus(), None)
    costs = [_beyond_training(request, plan) for _ in range(repeats + 1)][1:]  # the first warms up
    wall, cpu = (1000 * statistics.median(x) / TRIALS for x in zip(*costs, strict=True))
    yield (
        f"a trial of tuning beyond its training, {TRIALS} trials",
        f"{wall:.0f} ms, {cpu:.0f} ms of CPU",
        "20 ms",
    )


def _beyond_training(request: Request, plan: Any) -> tuple[float, float]:
    """Seconds by the clock and of this process, of all trials."""
    training = [0.0, 0.0]

    def timed(learn: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            before = _now()
            try:
                return learn(*args)
            finally:
                for k, (start, end) in enumerate(zip(before, _now(), strict=True)):
                    training[k] += end - start

        return call

    learn, machine = trial.learn, Machine(torch.device("cpu"), 1)
    trial.learn = timed(learn)  # type: ignore[attr-defined]
    try:
        with tempfile.TemporaryDirectory() as folder:
            before = _now()
            tune(request, plan, Store(Path(folder)), machine, SearchConfig(TRIALS))
            wall, cpu = (end - start for start, end in zip(before, _now(), strict=True))
    finally:
        trial.learn = learn  # type: ignore[attr-defined]
    return wall - training[0], cpu - training[1]


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()
