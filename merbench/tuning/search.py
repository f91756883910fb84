"""Tuning: a search over a plan's settings on train and valid, in as many processes as join it.

Every model of a board gets the same number of trials, the same cap of time, the same sampler and
pruner. The first trial is always the default settings, so that tuning never ends worse on
validation than it began.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from merbench.api import RequestError
from merbench.api.events import Note, SearchProgress, Watch, ignore
from merbench.engine.plan.plan import Plan, Request
from merbench.results.code_digest import code_digest
from merbench.results.store.store import Store
from merbench.runs.machine import Machine
from merbench.tuning.journal import written_together
from merbench.tuning.retries import (
    LOST,
    PLANNED,
    PROPOSED,
    RETRY_OF,
    SURPLUS,
    Ledger,
    enqueue_retry,
    fail,
)
from merbench.tuning.samplers import Numbered, pruner_of
from merbench.tuning.shared_search import (
    SearchConfig,
    SearchResult,
    SharedSearch,
    join,
    loss_of_storage_reported,
)
from merbench.tuning.trial import Measurer, TrialLostError
from merbench.tuning.worker import Worker

SMALL = 32
"""So many combinations or fewer are tried one after the other: none is drawn, so that none is tried
twice when a search continues.
"""
OTHER_SOURCE = (
    "earlier trials of this search were made by another version of the components' source"
)


def tune(
    request: Request,
    plan: Plan,
    store: Store,
    machine: Machine,
    config: SearchConfig,
    watch: Watch = ignore,
    **patience: float,
) -> SearchResult:
    """Work on the search until it is over, together with all who call this with equal arguments;
    its result.

    ``plan`` is that of ``request``. The test rows are taken away before anything else is done. A
    trial that fails is recorded with its error and counts; one whose settings do not fit one
    another is recorded and does not. ``patience``: see ``Worker``. RequestError where the default
    settings cannot be built or the storage cannot be used, RunError where every trial failed.
    """
    with loss_of_storage_reported(store, config):
        search = join(request, plan, store, config)
        _Searcher(search, plan, machine, watch, patience).work()
        return search.result()


def report_progress(search: SharedSearch, watch: Watch) -> bool:
    """Let ``watch`` know how far a search is, whoever works on it; True if it is over."""
    ledger = search.ledger()
    best = search.best(ledger)
    watch(
        SearchProgress(
            search=search.name,
            finished=len(ledger.finished),
            wanted=search.wanted,
            metric=search.metric,
            best=best.value if best else None,
            best_trial=best.number if best else None,
        )
    )
    return search.is_over(ledger)


class _Searcher:
    """One worker's share of a search."""

    def __init__(
        self,
        search: SharedSearch,
        plan: Plan,
        machine: Machine,
        watch: Watch,
        patience: Mapping[str, float],
    ) -> None:
        self.search, self.study, self.storage = search, search.study, search.storage
        self.plan, self.machine, self.watch = plan, machine, watch
        self.worker = Worker(self.storage, **patience)
        self.measurer = Measurer(search, plan, machine, self.worker, watch)
        self.sampler = Numbered(
            search.config.sampler, lambda trial: self.worker.claim(trial._trial_id)
        )
        self.study.sampler = self.sampler
        self.study.pruner = pruner_of(search.config.pruner, self.measurer.steps)

    def work(self) -> None:
        """Until the search is over."""
        self._compare_source()
        self._enqueue_planned()
        while True:
            self.search.require_storage()
            ledger = self._requeue_lost(self.search.ledger())
            if report_progress(self.search, self.watch):
                return
            if len(ledger.impossible) > 20 + self.search.wanted:
                reason = ledger.impossible[-1].user_attrs["error"]
                raise RequestError(
                    "most combinations of these settings cannot be built; "
                    f"the last was refused with: {reason}"
                )
            if ledger.waiting or ledger.undrawn > 0:
                self._try_one()
            else:
                time.sleep(0.5)  # the others are at the last ones, and may die

    def _compare_source(self) -> None:
        digest = code_digest(self.plan.modules, self.machine.parsed_code)
        before = self.study.user_attrs.get("source")
        if before is None:
            self.study.set_user_attr("source", digest)
        elif before != digest:
            self.watch(Note(sentence=OTHER_SOURCE))

    def _enqueue_planned(self) -> None:
        """What is to be tried in any case: the default settings, or combination by combination of a
        space that is small enough.
        """
        space, n_trials = self.search.space, self.search.wanted
        trials = self.study.get_trials(deepcopy=False)
        planned = {t.user_attrs.get(PLANNED) for t in trials}
        drawn_params = [t.params for t in trials if PLANNED not in t.user_attrs]
        small = space.size <= max(n_trials, SMALL)
        combinations = space.all()[:n_trials] if small else [dict(space.defaults)]
        for number, settings in enumerate(combinations):
            if number not in planned and settings not in drawn_params:
                self.study.enqueue_trial(settings, user_attrs={PLANNED: number})

    def _requeue_lost(self, ledger: Ledger) -> Ledger:
        """Fail what workers that are gone were at, and enqueue it again."""
        running = [t for t in ledger.trials.values() if t.state == TrialState.RUNNING]
        lost = [t for t in running if self.worker.is_gone(t)]
        for trial in lost:
            fail(self.storage, trial._trial_id, LOST if ledger.counts(trial.number) else SURPLUS)
        ledger = self.search.ledger() if lost else ledger
        for trial in ledger.to_requeue:
            enqueue_retry(self.study, trial)
        return self.search.ledger() if ledger.to_requeue else ledger

    def _ask(self) -> Trial:
        """A trial with all settings."""
        with written_together(self.storage):
            trial = self.study.ask()
        is_drawn = not {PLANNED, RETRY_OF} & trial.user_attrs.keys()
        if is_drawn:
            _ = trial.relative_params  # the model's proposal, which may take it seconds
        with written_together(self.storage):
            self.search.space.draw(trial)
            if is_drawn:
                trial.set_user_attr(PROPOSED, self.sampler.proposed)
        return trial

    def _try_one(self) -> None:
        try:
            trial = self._ask()
        except UpdateFinishedTrialError:
            return
        trial_id = trial._trial_id
        try:
            if not self.search.ledger().counts(trial.number):
                fail(self.storage, trial_id, SURPLUS)
                return
            self.worker.start(trial_id)
            self.measurer.measure(trial)
        except (TrialLostError, UpdateFinishedTrialError):
            pass
        except BaseException:
            fail(self.storage, trial_id, LOST)
            raise
        finally:
            self.worker.stop()
