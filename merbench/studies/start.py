"""Weights to start from: those of finished runs, each seed from the run of the same seed."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count, takewhile
from pathlib import Path

from merbench.api import RequestError
from merbench.engine.resolve import Start
from merbench.results.record import Record
from merbench.results.spec import run_id, series
from merbench.results.store import Store


def start_from(store: Store, record: Record, seeds: Iterable[int]) -> Start:
    """``record``: any finished run of the series. RequestError where a seed has no weights in the store."""
    found: dict[tuple[int, int | None], Path] = {}
    lacking = []
    for seed in seeds:
        folds = (None,) if record.fold is None else count()
        names = ((fold, run_id(record.spec, record.contents, seed, fold)) for fold in folds)
        mine = {(seed, fold): store.weights(name) for fold, name in takewhile(lambda one: store.has_weights(one[1]), names)}
        found |= mine
        if not mine:
            lacking.append(str(seed))
    if lacking:
        what = f"{record.spec.model} {record.spec.variant}".strip()
        raise RequestError(
            f"each run starts from the run of its own seed, and the store {store.root} has no weights of {what} on {record.spec.dataset} "
            f"for seed {', '.join(lacking)}; run them first, or give other --seeds"
        )
    return Start(series(record.spec, record.contents), found)
