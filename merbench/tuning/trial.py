"""One trial: trained with its settings, and what came of it reported to the search."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np
from optuna.exceptions import TrialPruned, UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from merbench.api import MerbenchError, RequestError, RunError, Split
from merbench.api.events import TrialDone, TrialEpoch, Watch
from merbench.engine.build import build
from merbench.engine.learn import learn
from merbench.engine.plan.plan import Plan
from merbench.engine.rows.splits import Fold
from merbench.results.seeds import FIRST_TUNING_SEED
from merbench.runs.events import epoch_done, epochs_of
from merbench.runs.failures import exits_raise, reason_of
from merbench.runs.machine import Machine
from merbench.runs.scoring import score_valid
from merbench.tuning.journal import written_together
from merbench.tuning.retries import END, IMPOSSIBLE, PLANNED
from merbench.tuning.search_space import settle
from merbench.tuning.shared_search import SharedSearch
from merbench.tuning.worker import Worker


class TrialLostError(Exception):
    """Another worker has failed the trial that this one was at, because it seemed to be gone."""


class Measurer:
    """Measures trials of ``search``. ``steps``: how often one reports at most."""

    def __init__(
        self, search: SharedSearch, plan: Plan, machine: Machine, worker: Worker, watch: Watch
    ) -> None:
        self.search, self.plan, self.machine = search, plan, machine
        self.worker, self.watch = worker, watch
        self.seeds = [FIRST_TUNING_SEED + k for k in range(search.config.seeds_per_trial)]
        self.folds = _folds_without_test(plan)
        self.epochs = epochs_of(plan)
        self.steps = self.epochs * len(self.seeds) * len(self.folds)

    def measure(self, trial: Trial) -> None:
        """Train with the trial's settings, and report the value or how it failed. RequestError
        where the default settings cannot be built.
        """
        planned = self.search.ledger().original(trial.number).user_attrs.get(PLANNED)
        are_defaults = planned == 0
        clock = time.perf_counter()
        value, state, error = None, TrialState.FAIL, ""
        marks: dict[str, Any] = {}
        try:
            with exits_raise(self.plan):
                value = self._value(trial, may_prune=not are_defaults)
            state = TrialState.COMPLETE
        except TrialPruned:
            state = TrialState.PRUNED
        except (TrialLostError, UpdateFinishedTrialError):
            raise
        except RequestError as refusal:
            if are_defaults:
                raise
            error, marks = str(refusal), {END: IMPOSSIBLE, "error": str(refusal)}
        except Exception as fault:
            error = reason_of(fault, self.plan)
            if not error:
                raise
            marks = {END: error}
        marks["seconds"] = round(time.perf_counter() - clock, 3)
        with written_together(self.search.storage):
            for name, mark in marks.items():
                trial.set_user_attr(name, mark)
            self.search.study.tell(trial, value, state, skip_if_finished=True)
        # A drawn combination that cannot be built counts for nothing, and nothing is said of it.
        if marks.get(END) != IMPOSSIBLE or planned is not None:
            self._announce(trial, value, state, error)

    def _announce(self, trial: Trial, value: float | None, state: TrialState, error: str) -> None:
        status = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}.get(state, "failed")
        self.watch(
            TrialDone(
                trial=trial.number,
                status=status,  # type: ignore[arg-type]
                settings=dict(trial.params),
                value=value,
                error=error or None,
            )
        )

    def _value(self, trial: Trial, may_prune: bool) -> float:
        """Mean of the selecting validation metric at each run's best epoch, over seeds and folds
        (all weigh the same).
        """
        plan, folds = self._with_settings(trial.params)
        values: list[float] = []
        for seed in self.seeds:
            for fold in folds:
                report = _EpochReport(self, plan, trial, seed, fold, values, may_prune)
                problem = build(plan, fold, seed, self.machine.device)
                fitted = learn(plan, problem, fold, seed, report)
                metric = self.search.metric
                value = score_valid(plan, problem, fitted, [metric])[0][metric]
                if value is None:
                    raise RunError(
                        f"{self.search.metric} is not defined on the validation rows, "
                        "because all predictions are equal"
                    )
                values.append(value)
        return fmean(values)

    def _with_settings(self, settings: Mapping[str, Any]) -> tuple[Plan, list[Fold]]:
        plan = settle(self.plan, settings)
        encoded = self.machine.encoded(plan, self.watch)
        return encoded, self.folds if encoded is plan else _folds_without_test(encoded)


def check_buildable(plan: Plan, machine: Machine) -> None:
    """RequestError where the settings of ``plan`` cannot be built, RunError where a part fails:
    known before a search is made anywhere.
    """
    plan = machine.encoded(plan)
    try:
        with exits_raise(plan):
            build(plan, _folds_without_test(plan)[0], FIRST_TUNING_SEED, machine.device)
    except MerbenchError:
        raise
    except Exception as error:
        if reason := reason_of(error, plan):
            raise RunError(f"the default settings cannot be built: {reason}") from error
        raise


class _EpochReport:
    """Called with each epoch of one of a trial's runs: reports the mean over the runs so far, each
    at its best epoch, and stops a trial that is behind the others.
    """

    def __init__(
        self,
        measurer: Measurer,
        plan: Plan,
        trial: Trial,
        seed: int,
        fold: Fold,
        earlier_values: Sequence[float],
        may_prune: bool,
    ) -> None:
        self.measurer, self.plan, self.trial = measurer, plan, trial
        self.seed, self.fold, self.may_prune = seed, fold.split.fold, may_prune
        self.earlier_values = list(earlier_values)
        self.first_step = len(earlier_values) * measurer.epochs
        self.best = -math.inf

    def __call__(self, entry: dict[str, Any]) -> None:
        if self.measurer.worker.lost_trial:
            raise TrialLostError
        event = epoch_done(self.plan, "", self.seed, self.fold, entry)
        self.measurer.watch(TrialEpoch(trial=self.trial.number, epoch=event))
        search = self.measurer.search
        # An earlier stage may go by another metric.
        if event.value is not None and event.metric == search.metric:
            self.best = max(self.best, search.sign * event.value)
        if math.isfinite(self.best):
            # Where a stage has stopped early the next one begins as in trials where it has not.
            step = self.first_step + event.epoch - 1
            self.trial.report(fmean([*self.earlier_values, search.sign * self.best]), step)
            if self.may_prune and self.trial.should_prune():
                raise TrialPruned


def _folds_without_test(plan: Plan) -> list[Fold]:
    def without_test(split: Split) -> Split:
        return replace(split, test=np.empty(0, split.test.dtype))

    return [
        Fold(plan.streams, plan.task, without_test(split), plan.lexicon, plan.turns_N2)
        for split in plan.protocol.splits
    ]
