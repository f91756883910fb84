"""Tuning: a search over a plan's settings on train and valid, in as many processes as join it.

Every model of a board gets the same number of trials, the same cap of time, the same sampler and
pruner. The first trial is always the default settings, so that tuning never ends worse on
validation than it began.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np
from optuna.exceptions import StorageInternalError, TrialPruned, UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from merbench.api import RequestError, RunError, Split
from merbench.engine.build import build
from merbench.engine.encode import with_cached
from merbench.engine.learn import learn
from merbench.engine.plan import Plan, Request
from merbench.engine.splits import Fold
from merbench.results.code_digest import code_digest
from merbench.results.seeds import FIRST_TUNING_SEED
from merbench.results.store import Store
from merbench.runs.machine import Machine
from merbench.runs.one import score_valid, why
from merbench.tuning.ledger import (
    END,
    IMPOSSIBLE,
    LOST,
    PLANNED,
    SURPLUS,
    Ledger,
    Worker,
    end,
    enqueue_heir,
)
from merbench.tuning.samplers import Numbered, pruner_of
from merbench.tuning.shared_study import Joined, Search, Tuned, join
from merbench.tuning.space import settle

SMALL = 32
"""So many combinations or fewer are tried in their turn: none is drawn, so that none is tried twice
when a search goes on.
"""

Watch = Callable[[str, dict[str, Any]], None]
"""Told what happens: ``trials`` (finished, wanted, best), ``epoch`` (number, an entry of the
history), ``failed`` (number, error), ``source`` (trials of this study were made by another version
of the components' source)."""


def tune(
    request: Request, plan: Plan, store: Store, machine: Machine, search: Search, watch: Watch = lambda event, info: None,
    **patience: float,
) -> Tuned:  # fmt: skip
    """Work on the search until it is over, together with all who call this with equal arguments;
    then tell its outcome.

    ``plan`` is that of ``request``. The test rows are taken away before anything else is done. A
    trial that fails is recorded with its error and counts; one whose settings do not fit one
    another is recorded and does not. ``patience``: see ``Worker``. RequestError where the default
    settings cannot be built or the storage cannot be used, RunError where every trial failed.
    """
    joined = join(request, plan, store, search)
    try:
        _Searching(joined, plan, machine, watch, patience).work()
        return joined.outcome()
    except StorageInternalError as error:
        raise RunError(
            f"the study's storage was lost ({error.__cause__ or error}); the same command goes on where this ended"
        ) from error


def look_on(joined: Joined, watch: Watch) -> bool:
    """Tell ``watch`` where a search stands that others work on; whether it is over."""
    ledger = joined.ledger()
    watch(
        "trials",
        {"finished": len(ledger.finished), "wanted": joined.wanted, "best": joined.best(ledger)},
    )
    return joined.over(ledger)


class _Taken(Exception):
    """Somebody has failed the trial that this worker was at, because it seemed to be gone."""


class _Searching:
    """One worker's share of a search."""

    def __init__(
        self,
        joined: Joined,
        plan: Plan,
        machine: Machine,
        watch: Watch,
        patience: Mapping[str, float],
    ) -> None:
        self.joined, self.study, self.storage = joined, joined.study, joined.storage
        self.plan, self.machine, self.watch = plan, machine, watch
        self.seeds = [FIRST_TUNING_SEED + k for k in range(joined.search.seeds_per_trial)]
        self.folds = _folds(plan)
        self.epochs = sum(plan.train.epochs if s.epochs is None else s.epochs for s in plan.stages)
        self.worker = Worker(self.storage, **patience)
        self.study.sampler = Numbered(
            joined.search.sampler, lambda trial: self.worker.claim(trial._trial_id)
        )
        self.study.pruner = pruner_of(
            joined.search.pruner, self.epochs * len(self.seeds) * len(self.folds)
        )

    def work(self) -> None:
        """Until the search is over."""
        digest = code_digest(self.plan.modules)
        if (before := self.study.user_attrs.get("source")) is None:
            self.study.set_user_attr("source", digest)
        elif before != digest:
            self.watch("source", {})
        self._plan()
        while True:
            ledger = self._mend(self.joined.ledger())
            if look_on(self.joined, self.watch):
                return
            if len(ledger.impossible) > 20 + self.joined.wanted:
                why = ledger.impossible[-1].user_attrs["error"]
                raise RequestError(
                    f"most combinations of these settings cannot be built; the last was refused with: {why}"
                )
            if ledger.waiting or ledger.open > 0:
                self._try()
            else:
                time.sleep(0.5)  # the others are at the last ones, and may die

    def _plan(self) -> None:
        """Enqueue what is to be tried in any case: the default settings, or combination by
        combination of a space that is small enough.
        """
        space, wanted = self.joined.space, self.joined.wanted
        trials = self.study.get_trials(deepcopy=False)
        there, drawn = (
            {t.user_attrs.get(PLANNED) for t in trials},
            [t.params for t in trials if PLANNED not in t.user_attrs],
        )
        combinations = (
            space.all()[:wanted] if space.size <= max(wanted, SMALL) else [dict(space.defaults)]
        )
        for number, settings in enumerate(combinations):
            if number not in there and settings not in drawn:
                self.study.enqueue_trial(settings, user_attrs={PLANNED: number})

    def _mend(self, ledger: Ledger) -> Ledger:
        """Fail what workers that are gone were at, and enqueue it again."""
        gone = [
            t
            for t in ledger.trials.values()
            if t.state == TrialState.RUNNING and self.worker.gone(t)
        ]
        for trial in gone:
            end(self.storage, trial._trial_id, LOST if ledger.counts(trial.number) else SURPLUS)
        ledger = self.joined.ledger() if gone else ledger
        for trial in ledger.owed:
            enqueue_heir(self.study, trial)
        return self.joined.ledger() if ledger.owed else ledger

    def _try(self) -> None:
        try:
            trial = self.study.ask(dict(self.joined.space.ranges))
        except UpdateFinishedTrialError:
            return
        try:
            if not self.joined.ledger().counts(trial.number):
                end(self.storage, trial._trial_id, SURPLUS)
                return
            self.worker.start(trial._trial_id)
            self._measure(trial)
        except (_Taken, UpdateFinishedTrialError):
            pass
        except BaseException:
            end(self.storage, trial._trial_id, LOST)
            raise
        finally:
            self.worker.stop()

    def _measure(self, trial: Trial) -> None:
        """Train with the trial's settings, and tell the study what came of it."""
        planned = self.joined.ledger().root(trial.number).user_attrs.get(PLANNED)
        default = planned == 0
        clock = time.perf_counter()
        value, state, marks = None, TrialState.FAIL, {}
        try:
            value, state = self._value(trial, may_prune=not default), TrialState.COMPLETE
        except TrialPruned:
            state = TrialState.PRUNED
        except (_Taken, UpdateFinishedTrialError):
            raise
        except RequestError as error:
            if default:
                raise
            marks = {END: IMPOSSIBLE, "error": str(error)}
            if (
                planned is not None
            ):  # of a space that is tried combination by combination: it counts as failed
                self.watch("failed", {"number": trial.number, "error": str(error)})
        except Exception as error:
            marks = {END: why(error, self.plan)}
            if not marks[END]:
                raise
            self.watch("failed", {"number": trial.number, "error": marks[END]})
        for name, mark in {"seconds": round(time.perf_counter() - clock, 3), **marks}.items():
            trial.set_user_attr(name, mark)
        self.study.tell(trial, value, state, skip_if_finished=True)

    def _value(self, trial: Trial, may_prune: bool) -> float:
        """Mean of the selecting validation metric at each run's best epoch, over seeds and folds
        (all weigh the same).
        """
        plan, folds = settle(self.plan, trial.params), self.folds
        if (
            self.machine.cache
            and (ready := with_cached(plan, self.machine.cache, self.machine.device)) is not plan
        ):
            plan, folds = ready, _folds(ready)
        values: list[float] = []
        for seed in self.seeds:
            for fold in folds:
                report = _Report(self, trial, values, may_prune)
                problem = build(plan, fold, seed, self.machine.device)
                learn(plan, problem, fold, seed, report)
                value = score_valid(plan, problem)[0][self.joined.metric]
                if value is None:
                    raise RunError(
                        f"{self.joined.metric} is not defined on the validation rows, because all predictions are equal"
                    )
                values.append(value)
        return fmean(values)


def _folds(plan: Plan) -> list[Fold]:
    return [
        Fold(plan.streams, plan.task, _without_test(split), plan.lexicon)
        for split in plan.protocol.splits
    ]


class _Report:
    """Told each epoch: reports the mean over the runs so far, each at its best epoch, and stops a
    trial that is behind the others.
    """

    def __init__(
        self, searching: _Searching, trial: Trial, before: Sequence[float], may_prune: bool
    ) -> None:
        self.searching, self.trial, self.before, self.may_prune = (
            searching,
            trial,
            list(before),
            may_prune,
        )
        self.step = len(before) * searching.epochs
        self.best = -math.inf

    def __call__(self, entry: dict[str, Any]) -> None:
        if self.searching.worker.taken:
            raise _Taken
        self.searching.watch("epoch", {"number": self.trial.number, **entry})
        sign = self.searching.joined.sign
        if (value := entry.get(self.searching.joined.metric)) is not None:
            self.best = max(self.best, sign * value)
        if math.isfinite(self.best):
            self.trial.report(fmean([*self.before, sign * self.best]), self.step)
            if self.may_prune and self.trial.should_prune():
                raise TrialPruned
        self.step += 1


def _without_test(split: Split) -> Split:
    return replace(split, test=np.empty(0, split.test.dtype))
