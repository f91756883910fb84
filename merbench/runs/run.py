"""Runs of one plan: every seed and fold that the store does not hold yet, one record each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from merbench.api import Corpus, RequestError, Split
from merbench.api.events import Note, Watch, ignore
from merbench.engine.model.initial_weights import place_of
from merbench.engine.plan.plan import Plan
from merbench.results.code_digest import code_digest
from merbench.results.records.record import Record
from merbench.results.spec import run_id
from merbench.results.store.store import Store
from merbench.results.store.unfinished import forced, is_made
from merbench.runs.events import run_done
from merbench.runs.jobs import side_by_side
from merbench.runs.machine import Machine as Machine
from merbench.runs.one_run import run_one
from merbench.runs.runs_of_a_plan import Work
from merbench.runs.stacked_seeds import is_begun, run_together

GOES_ON = (
    "the same call with --force has not ended yet: it goes on with the runs that it had not made "
    "again"
)


def run(
    plan: Plan,
    corpus: Corpus,
    seeds: Sequence[int],
    store: Store,
    machine: Machine,
    *,
    folds: Sequence[int | None] | None = None,
    force: bool = False,
    keep_weights: bool = True,
    replaced: Mapping[str, str] | None = None,
    tuned_by: Mapping[str, Any] | None = None,
    jobs: int = 1,
    watch: Watch = ignore,
) -> list[Record]:
    """One record a seed and fold, in that order. A run that fails is recorded as failed with its
    error, and the rest go on.

    What the store holds already is not run again. A record made by another version of the
    components' source is reused, and ``RunDone.other_source`` says so. ``force``: all of it is run
    again, but what the same call has made already that was killed; ``replaced``: what
    ``made_again`` yields, where the call makes the runs of other plans too. ``folds``: only these
    of the protocol. ``tuned_by`` goes into the records. ``jobs``: so many processes, each with the
    machine's threads; the records are the same.
    """
    work = Work(plan, corpus, store, machine, keep_weights, tuned_by)
    runs = [(seed, split) for seed in seeds for split in _splits(plan, folds)]
    if not force:
        return _run(work, runs, jobs, watch)
    if replaced is not None:
        work.replaced = replaced
        return _run(work, runs, jobs, watch)
    run_ids = [work.run_id(seed, split) for seed, split in runs]
    with _forced(store, run_ids, work.digest, watch) as work.replaced:
        return _run(work, runs, jobs, watch)


@contextmanager
def made_again(
    plans: Iterable[tuple[Plan, Sequence[int]]], store: Store, machine: Machine, watch: Watch
) -> Iterator[Mapping[str, str]]:
    """Around a call that makes the runs of several plans, each with its seeds, again: after a kill
    the same call goes on with those that it has not made. Yields what ``run`` takes as
    ``replaced``.
    """
    run_ids: list[str] = []
    digests: list[str] = []
    for plan, seeds in plans:
        digests.append(code_digest(plan.modules, machine.parsed_code))
        run_ids += [
            run_id(plan.spec, plan.contents, seed, split.fold)
            for seed in seeds
            for split in plan.protocol.splits
        ]
    with _forced(store, run_ids, " ".join(digests), watch) as replaced:
        yield replaced


@contextmanager
def _forced(
    store: Store, run_ids: Sequence[str], source: str, watch: Watch
) -> Iterator[Mapping[str, str]]:
    """``forced``, which says so where it goes on."""
    with forced(store.root, run_ids, source, store.get) as replaced:
        if any(is_made(store.get(name), replaced.get(name, "")) for name in run_ids):
            watch(Note(sentence=GOES_ON))
        yield replaced


def _run(work: Work, runs: Sequence[tuple[int, Split]], jobs: int, watch: Watch) -> list[Record]:
    """Those that are there, then those that are missing."""
    records: dict[str, Record] = {}
    missing = []
    for seed, split in runs:
        if record := work.taken_over(work.run_id(seed, split)):
            other_source = record.source_digest != work.digest
            watch(run_done(record, reused=True, other_source=other_source))
            records[record.run_id] = record
        else:
            missing.append((seed, split))
    try:
        if work.plan.start:
            for seed, split in missing:  # told before training, not after some of it
                place_of(work.plan.start, seed, split.fold)
        for record in _make(work, missing, jobs, watch):
            watch(run_done(record))
            records[record.run_id] = record
    except RequestError:
        work.store.remove_if_empty()
        raise
    return [records[work.run_id(seed, split)] for seed, split in runs]


def _make(
    work: Work, missing: Sequence[tuple[int, Split]], jobs: int, watch: Watch
) -> Iterable[Record]:
    stacked = work.plan.train.stack
    many_runs = len(missing) > 1
    # A process that has used a GPU cannot be forked.
    if many_runs and jobs > 1 and not stacked and not torch.cuda.is_initialized():
        return side_by_side(work, missing, jobs, watch)
    if missing:
        work.encode(watch)
    if stacked:
        return _stacks(work, missing, watch)
    return (run_one(work, seed, split, watch) for seed, split in missing)


def _stacks(work: Work, missing: Sequence[tuple[int, Split]], watch: Watch) -> Iterator[Record]:
    """Fold by fold, all of its seeds together; one seed alone where no stack of it was begun."""
    seeds_by_fold: dict[int | None, list[int]] = {}
    for seed, split in missing:
        seeds_by_fold.setdefault(split.fold, []).append(seed)
    splits = {split.fold: split for _, split in missing}
    for fold, seeds in seeds_by_fold.items():
        if len(seeds) > 1 or is_begun(work, seeds[0], splits[fold]):
            yield from run_together(work, seeds, splits[fold], watch)
        else:
            yield run_one(work, seeds[0], splits[fold], watch)


def _splits(plan: Plan, folds: Sequence[int | None] | None) -> list[Split]:
    splits = {split.fold: split for split in plan.protocol.splits}
    for fold in folds or ():
        if fold not in splits:
            raise RequestError(
                f"protocol {plan.spec.protocol} of {plan.spec.dataset} has no fold {fold}; "
                f"its folds are {', '.join(map(str, splits))}"
            )
    return [splits[fold] for fold in (splits if folds is None else folds)]
