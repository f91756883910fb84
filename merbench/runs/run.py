"""Runs of one plan: every seed and fold that the store does not hold yet, one record each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import torch

from merbench.api import Corpus, RequestError, Split
from merbench.engine.plan import Plan
from merbench.results.record import Record
from merbench.results.store import Store
from merbench.runs.jobs import side_by_side
from merbench.runs.machine import Machine as Machine
from merbench.runs.one import Watch as Watch
from merbench.runs.one import Work


def run(
    plan: Plan, corpus: Corpus, seeds: Sequence[int], store: Store, machine: Machine, *, folds: Sequence[int | None] | None = None,
    force: bool = False, keep_weights: bool = True, tuned_by: Mapping[str, Any] | None = None, jobs: int = 1,
    watch: Watch = lambda event, info: None,
) -> list[Record]:  # fmt: skip
    """One record a seed and fold, in that order. A run that fails is recorded as failed with its
    error, and the rest go on.

    What the store holds already is not run again (``force`` does). A record made by another version
    of the components' source is reused, and told (``info["other_source"]``). ``folds``: only these
    of the protocol. ``tuned_by`` goes into the records. ``jobs``: so many processes, each with the
    machine's threads; the records are the same.
    """
    work = Work(plan, corpus, store, machine, keep_weights, tuned_by, force)
    runs = [(seed, split) for seed in seeds for split in _splits(plan, folds)]
    records: dict[str, Record] = {}
    missing = []
    for seed, split in runs:
        held = None if force else store.get(work.name(seed, split))
        if held and held.status == "done":
            held = store.retold(held, tuned_by)
            watch(
                "done",
                {"record": held, "reused": True, "other_source": held.source_digest != work.digest},
            )
            records[held.run_id] = held
        else:
            missing.append((seed, split))
    if force:
        for seed, split in missing:
            work.forget(seed, split)
    for record in _made(work, missing, jobs, watch):
        watch("done", {"record": record, "reused": False, "other_source": False})
        records[record.run_id] = record
    return [records[work.name(*one)] for one in runs]


def _made(
    work: Work, missing: Sequence[tuple[int, Split]], jobs: int, watch: Watch
) -> Iterable[Record]:
    # A process that has used a GPU cannot be forked.
    if (
        len(missing) > 1
        and jobs > 1
        and not work.plan.train.stack
        and not torch.cuda.is_initialized()
    ):
        return side_by_side(work, missing, jobs, watch)
    if missing:
        work.encode(watch)
    if len(missing) > 1 and work.plan.train.stack:
        by_fold: dict[int | None, list[tuple[int, Split]]] = {}
        for seed, split in missing:
            by_fold.setdefault(split.fold, []).append((seed, split))
        return chain.from_iterable(
            work.run_together([seed for seed, _ in same], same[0][1], watch)
            for same in by_fold.values()
        )
    return (work.run(*one, watch) for one in missing)


def _splits(plan: Plan, folds: Sequence[int | None] | None) -> list[Split]:
    there = {split.fold: split for split in plan.protocol.splits}
    for fold in folds or ():
        if fold not in there:
            known = ", ".join(str(f) for f in there)
            raise RequestError(
                f"protocol {plan.spec.protocol} of {plan.spec.dataset} has no fold {fold}; its folds are {known}"
            )
    return [there[fold] for fold in (there if folds is None else folds)]
