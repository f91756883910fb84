"""Several seeds trained as one stack, each with a record of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import torch

from merbench.api import RequestError, RunError, Split
from merbench.api.events import TrainedAlone, Waiting, Watch
from merbench.engine.build import Problem
from merbench.engine.learn import learn_together
from merbench.engine.training.checkpoint import Checkpoint, StartAnewError
from merbench.engine.training.stacked.modules import CannotStackError
from merbench.engine.training.train import Fitted
from merbench.results.records.record import Record
from merbench.results.store.claims import Claims
from merbench.results.store.unfinished import STACK
from merbench.runs.events import epoch_done, run_started
from merbench.runs.failures import FAILURES, exits_raise, is_recorded
from merbench.runs.one_run import build_problem, notes_of, run_one, score_and_store
from merbench.runs.runs_of_a_plan import Work


def run_together(work: Work, seeds: Sequence[int], split: Split, watch: Watch) -> list[Record]:
    """One record a seed, in that order; one by one where they cannot train together. Each bears an
    equal share of the time.
    """

    def report_wait(sentence: str) -> None:
        watch(Waiting(sentence=sentence))

    work.store.require_room()
    with ExitStack() as claims:
        for seed in sorted(seeds):
            run_id = work.run_id(seed, split)
            claims.enter_context(Claims(work.store.root).hold(run_id, report_wait))
        finished = {seed: work.taken_over(work.run_id(seed, split)) for seed in seeds}
        records = {seed: record for seed, record in finished.items() if record}
        missing = [seed for seed in seeds if seed not in records]
        if missing:
            records |= dict(zip(missing, _run(work, missing, split, watch), strict=True))
    return [records[seed] for seed in seeds]


def is_begun(work: Work, seed: int, split: Split) -> bool:
    """True where an interrupted stack has this seed still to record: the last one, or all of it."""
    return work.store.checkpoint(work.run_id(seed, split) + STACK).exists()


def _run(work: Work, seeds: Sequence[int], split: Split, watch: Watch) -> list[Record]:
    try:
        try:
            return _train(work, seeds, split, watch)
        except StartAnewError:
            return _train(work, seeds, split, watch)
    except _TrainAlone as reason:
        watch(TrainedAlone(reason=str(reason)))
        note = f"trained alone, not stacked: {reason}"
        return [run_one(work, seed, split, watch, [note]) for seed in seeds]


class _TrainAlone(Exception):
    """Why seeds train one by one."""


def _train(work: Work, seeds: Sequence[int], split: Split, watch: Watch) -> list[Record]:
    """Goes on from the checkpoint, which bears the first seed's name. That seed is recorded last:
    until then it is found.
    """
    plan, fold, clock = work.plan, work.fold(split), time.perf_counter()
    fold.opened.clear()
    draft = work.draft(min(seeds), split)
    checkpoint = work.checkpoint(replace(draft, run_id=draft.run_id + STACK), watch)
    stacked = _stacked_seeds(work, seeds, checkpoint)
    run_ids = {seed: work.run_id(seed, split) for seed in stacked}
    for seed in seeds:
        watch(run_started(plan, run_ids[seed], seed, split.fold))
    problems: list[Problem] = []
    try:
        with exits_raise(plan):
            problems += [build_problem(work, fold, seed, watch) for seed in stacked]
            fitted = learn_together(
                plan,
                problems,
                fold,
                stacked,
                lambda seed, entry: watch(epoch_done(plan, run_ids[seed], seed, split.fold, entry)),
                checkpoint,
            )
    except (RequestError, StartAnewError):
        raise
    except Exception as error:
        reason = _reason_to_train_alone(work, error)
        problems.clear()
        checkpoint.remove()
        raise _TrainAlone(reason) from None
    share = (time.perf_counter() - clock + checkpoint.spent) / len(stacked)
    note = f"trained together with seeds {', '.join(map(str, stacked))}"
    reads = list(fold.opened)
    trained = dict(zip(stacked, zip(problems, fitted, strict=True), strict=True))
    records = {
        seed: _store_one(work, seed, *trained[seed], split, share, reads, note)
        for seed in sorted(seeds, reverse=True)
    }
    checkpoint.remove()
    return [records[seed] for seed in seeds]


def _reason_to_train_alone(work: Work, error: Exception) -> str:
    """Raises ``error`` again where it is a fault of merbench."""
    if isinstance(error, torch.OutOfMemoryError):
        return "memory does not suffice for all of them"
    if not isinstance(error, CannotStackError) and not is_recorded(error, work.plan):
        raise error
    return str(error)


def _stacked_seeds(work: Work, seeds: Sequence[int], checkpoint: Checkpoint) -> list[int]:
    """Those of the checkpoint where ``seeds`` are among them: of an interrupted stack some may be
    recorded already.
    """
    saved = checkpoint.load()
    if saved is None:
        return list(seeds)
    with checkpoint.resuming():
        saved_seeds: list[int] = list(saved["seeds"])
    if set(seeds) <= set(saved_seeds):
        return saved_seeds
    seed_names = ", ".join(map(str, saved_seeds))
    work.store.reject(
        checkpoint.path,
        f"the stack starts anew, because the checkpoint {checkpoint.path} is of seeds {seed_names}",
    )
    checkpoint.spent = 0.0
    return list(seeds)


def _store_one(
    work: Work,
    seed: int,
    problem: Problem,
    fitted: Fitted | RunError,
    split: Split,
    seconds: float,
    reads: Sequence[str],
    note: str,
) -> Record:
    if isinstance(fitted, RunError):
        return work.failed(seed, split, fitted)
    notes = [note, *notes_of(work, problem, fitted)]
    draft = work.draft(seed, split).with_training(reads, notes)
    try:
        return score_and_store(work, problem, fitted, work.fold(split), seconds, draft)
    except RequestError:
        raise
    except FAILURES as error:
        return work.failed(seed, split, error)
