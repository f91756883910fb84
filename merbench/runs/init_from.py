"""Weights to start from: those of finished runs, each seed from the run of the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count, takewhile
from pathlib import Path

from merbench.api import Corpus, RequestError
from merbench.data.dataset_hash import revision
from merbench.engine.plan.start_weights import Seen, Start
from merbench.results.records.record import Record
from merbench.results.spec import run_id, series
from merbench.results.store.run_names import as_run_ids, require_this_store
from merbench.results.store.store import Store


def named(store: Store, name: str) -> Record:
    """A run by its series, or as ``as_run_ids`` takes it. RequestError for any other."""
    run = as_run_ids(store, name, "--init-from")
    if "/" in run or Path(run).suffix:
        require_this_store(store, Path(run), f"--init-from {name}", "RUN")
    return of_series(store, run) or store.find(run)


def of_series(store: Store, name: str) -> Record | None:
    """Any finished run of the series."""
    return next(
        (r for r in store.records() if r.status == "done" and series(r.spec, r.contents) == name),
        None,
    )


def start_from(
    store: Store, record: Record, seeds: Iterable[int], seen: Iterable[Seen] = ()
) -> Start:
    """``record``: any finished run of the series. RequestError where a seed has no weights in the
    store.
    """
    weights_of: dict[tuple[int, int | None], Path] = {}
    lacking = []
    for seed in seeds:
        folds = (None,) if record.fold is None else count()
        names = ((fold, run_id(record.spec, record.contents, seed, fold)) for fold in folds)
        own_weights = {
            (seed, fold): store.weights(name)
            for fold, name in takewhile(
                lambda fold_and_name: store.has_weights(fold_and_name[1]), names
            )
        }
        weights_of |= own_weights
        if not own_weights:
            lacking.append(str(seed))
    if lacking:
        model_name = f"{record.spec.model} {record.spec.ablation}".strip()
        raise RequestError(
            "each run starts from the run of its own seed, "
            f"and the store {store.root} has no weights of {model_name} on {record.spec.dataset} "
            f"for seed {', '.join(lacking)}; run them first, or give other --seeds"
        )
    return Start(series(record.spec, record.contents), weights_of, tuple(seen))


def seen_by(store: Store, record: Record, find: Callable[[str], Corpus | None]) -> list[Seen]:
    """What a run was trained on, then what the weights were that it started from itself. ``find``:
    a data set by name, None if not here.
    """
    spec, corpus = record.spec, find(record.spec.dataset)
    if corpus and not (
        spec.task in corpus.offered
        and spec.protocol in corpus.protocols
        and revision(corpus, spec.task, spec.protocol, []) == record.track.revision
    ):
        corpus = None
    seen = [Seen(spec.dataset, spec.protocol, corpus, bool(record.track.leaks))]
    if spec.init_from:
        start_runs = of_series(store, spec.init_from)
        seen += (
            seen_by(store, start_runs, find)
            if start_runs
            else [Seen(f"what the runs {spec.init_from} were, which the store lacks")]
        )
    return seen
