"""SIGKILL to workers at any moment: every trial that was asked for is finished once, and none is
lost.

A few moments here; ``tox -e kills`` sets MERBENCH_KILLS to take more.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time

import pytest
from optuna.trial import TrialState

from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.testing import tiny
from merbench.tuning.retries import PLANNED, RETRY_OF
from merbench.tuning.search import tune
from merbench.tuning.shared_search import SearchConfig, join
from tests.tiny_runs import MACHINE

KILLS = int(os.environ.get("MERBENCH_KILLS", "4"))
WORKERS = 3
SOON = {"beat": 1.0, "grace": 2.0, "unclaimed": 1.0}


def whole(joined, wanted):
    """So many trials are finished, each drawn once, and nothing is left over."""
    ledger, trials = joined.ledger(), joined.study.get_trials()
    assert ledger.done and len(ledger.finished) == wanted
    assert sum(t.state == TrialState.COMPLETE for t in trials) == wanted, (
        "a trial was counted twice"
    )
    assert not [t for t in trials if t.state == TrialState.RUNNING]
    assert len({tuple(sorted(t.params.items())) for t in ledger.finished}) == wanted, (
        "a combination was tried twice"
    )
    assert sum(ledger.original(t.number).user_attrs.get(PLANNED) == 0 for t in ledger.finished) == 1
    for trial in trials:
        if (parent := trial.user_attrs.get(RETRY_OF)) is not None and ledger.counts(trial.number):
            before = trials[parent]
            drawn = before.system_attrs.get("fixed_params", {}) | before.params
            assert drawn.items() <= trial.params.items(), "a retry was tried with other parameters"


@pytest.mark.parametrize("place", ["journal", "sqlite"])
def test_workers_killed_at_random_moments_lose_nothing(catalog, store, tmp_path, place):
    request = Request("late-fusion-dnn", settings={"train.epochs": 2, "train.batch_size": 8})
    plan = resolve(request, catalog, tiny.corpus(), None)
    kills = KILLS if place == "journal" else (KILLS + 1) // 2
    wanted = 6 + 2 * kills
    search = SearchConfig(
        wanted,
        sampler="random",
        pruner="none",
        storage=None if place == "journal" else f"sqlite:///{tmp_path / 'study.db'}",
    )
    draw = random.Random(0)
    fork = multiprocessing.get_context("fork")

    def start():
        worker = fork.Process(
            target=tune, args=(request, plan, store, MACHINE, search), kwargs=SOON
        )
        worker.start()
        return worker

    workers = [start() for _ in range(WORKERS)]
    try:
        for _ in range(kills):
            time.sleep(draw.uniform(0.0, 1.0))
            victim = workers.pop(draw.randrange(WORKERS))
            victim.kill()
            victim.join()
            workers.append(start())
        for worker in workers:
            worker.join(
                120 + 20 * wanted
            )  # a database syncs each step to a disk that others use too
            assert worker.exitcode == 0
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
    assert tune(request, plan, store, MACHINE, search, **SOON).trials == wanted
    whole(join(request, plan, store, search), wanted)
