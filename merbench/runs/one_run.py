"""One run: built, trained, scored, and put into the store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from merbench.api import RequestError, Split
from merbench.api.events import EpochDone, Event, Waiting, Watch, WeightsLoaded
from merbench.api.plural import count_of
from merbench.engine.build import Problem, build
from merbench.engine.learn import learn
from merbench.engine.restore import save
from merbench.engine.rows.splits import Fold
from merbench.engine.training.checkpoint import StartAnewError
from merbench.engine.training.evaluate import weights_digest
from merbench.engine.training.train import Fitted
from merbench.results.records.predictions import Predictions
from merbench.results.records.record import Metrics, Record
from merbench.results.store.claims import Claim, Claims
from merbench.runs.cost import cost_of
from merbench.runs.draft_record import Draft
from merbench.runs.events import epoch_done, epochs_of, run_started
from merbench.runs.failures import exits_raise, is_recorded
from merbench.runs.runs_of_a_plan import Work
from merbench.runs.scoring import score


def run_one(work: Work, seed: int, split: Split, watch: Watch, notes: Sequence[str] = ()) -> Record:
    """Goes on from the run's checkpoint where it was interrupted. A run that fails has a record
    that says why. ``notes`` go into the record.

    Of all processes that work on the store one makes the run; the others wait for it.
    """
    run_id = work.run_id(seed, split)
    work.store.require_room()  # told before training, not after

    def report_wait(sentence: str) -> None:
        watch(Waiting(sentence=sentence))

    with Claims(work.store.root).hold(run_id, report_wait) as claim:
        # Another process may have made it since this one looked.
        if record := work.taken_over(run_id):
            return record
        return _train(work, seed, split, _with_claim(work, claim, seed, split, watch), notes)


def _with_claim(work: Work, claim: Claim, seed: int, split: Split, watch: Watch) -> Watch:
    """``watch``, and others see in the claim how far the run is."""
    spec, clock = work.plan.spec, time.perf_counter()
    about = {"model": spec.model, "seed": seed, "fold": split.fold, "of": epochs_of(work.plan)}

    def watch_both(event: Event) -> None:
        if isinstance(event, EpochDone):
            seconds = round(time.perf_counter() - clock, 1)
            claim.tell({**about, "epoch": event.epoch, "seconds": seconds})
        else:
            claim.tell(about)
        watch(event)

    return watch_both


def _train(work: Work, seed: int, split: Split, watch: Watch, notes: Sequence[str]) -> Record:
    plan, fold, clock = work.plan, work.fold(split), time.perf_counter()
    run_id = work.run_id(seed, split)
    watch(run_started(plan, run_id, seed, split.fold))
    fold.opened.clear()
    draft = work.draft(seed, split)
    checkpoint = work.checkpoint(draft, watch)

    def watch_epoch(entry: dict[str, Any]) -> None:
        watch(epoch_done(plan, run_id, seed, split.fold, entry))

    try:
        with exits_raise(plan):
            problem = build_problem(work, fold, seed, watch)
            try:
                fitted = learn(plan, problem, fold, seed, watch_epoch, checkpoint)
            except StartAnewError:
                problem = build_problem(work, fold, seed, watch)
                fitted = learn(plan, problem, fold, seed, watch_epoch, checkpoint)
            seconds = time.perf_counter() - clock + checkpoint.spent
            draft = draft.with_training(fold.opened, [*notes, *notes_of(work, problem, fitted)])
            record = score_and_store(work, problem, fitted, fold, seconds, draft)
    except RequestError:
        raise
    except Exception as error:
        if not is_recorded(error, plan):
            raise
        record = work.failed(seed, split, error)
    checkpoint.remove()
    return record


def build_problem(work: Work, fold: Fold, seed: int, watch: Watch) -> Problem:
    problem = build(work.plan, fold, seed, work.machine.device)
    if problem.start:
        run_id = work.run_id(seed, fold.split)
        watch(WeightsLoaded(run_id=run_id, sentence=problem.start))
    return problem


def notes_of(work: Work, problem: Problem, fitted: Fitted) -> list[str]:
    """What is worth knowing of a trained run."""
    notes = [*work.plan.notes, *([problem.start] if problem.start else [])]
    if fitted.rows_at_once is not None:
        rows = count_of(fitted.rows_at_once, "row")
        notes.append(
            f"memory did not suffice for a whole batch: {rows} at a time, "
            "gradients added up to the same effective batch (losses and norms that compare rows "
            "of a batch see fewer of them)"
        )
    return notes


def score_and_store(
    work: Work, problem: Problem, fitted: Fitted, fold: Fold, seconds: float, draft: Draft
) -> Record:
    """Scored, and put into the store with its predictions and weights. ``seconds``: of training."""
    clock, n_read = time.perf_counter(), len(fold.opened)
    scores = score(work.plan, problem, fitted, fold)
    weights_sha256 = weights_digest(problem.model)
    seconds = round(seconds + time.perf_counter() - clock, 3)
    record = draft.done(
        metrics=Metrics(valid=scores.valid, test=scores.test),
        thresholds=None if scores.thresholds is None else scores.thresholds.tolist(),
        measured={m: dict(counted) for m, counted in problem.measured.items() if counted},
        history=fitted.history,
        best_epoch=fitted.best_epoch,
        cost=cost_of(problem, work.machine.device, seconds),
        weights_sha256=weights_sha256,
        test_reads=fold.opened[n_read:],
    )
    plan, test = work.plan, fold.rows("test")
    rows = Predictions.of(work.corpus, plan.spec.protocol, plan.task, test, scores.predictions)
    weights = save(work.plan, problem, weights_sha256) if work.keep_weights else None
    work.store.put(record, rows, weights)
    return record
