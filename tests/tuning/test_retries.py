"""The ledger: whatever workers do and wherever they are killed, each of N combinations is finished
once.

Workers are steps of a generator here, so that hypothesis can interleave and kill them between any
two calls of the storage.
"""

from __future__ import annotations

import os
import subprocess
import sys

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from merbench.results.processes import started
from merbench.tuning.retries import (
    END,
    LOST,
    PLANNED,
    PROPOSED,
    RETRY_OF,
    SURPLUS,
    Ledger,
    enqueue_retry,
    fail,
)
from merbench.tuning.worker import Worker

optuna.logging.set_verbosity(optuna.logging.ERROR)
RANGES = {"x": FloatDistribution(0.0, 1.0)}


class Process:
    """A worker as ``tuning.search`` has it, one storage call a step."""

    def __init__(self, study, wanted, name, dead):
        self.study, self.wanted, self.name, self.dead = study, wanted, name, dead
        self.steps = self.work()

    def ledger(self):
        return Ledger(self.study.get_trials(deepcopy=False), self.wanted)

    def work(self):
        storage = self.study._storage
        if PLANNED not in {k for t in self.study.get_trials(deepcopy=False) for k in t.user_attrs}:
            yield
            self.study.enqueue_trial({"x": 0.5}, user_attrs={PLANNED: 0})
        while True:
            yield
            ledger = self.ledger()
            for trial in ledger.trials.values():
                if (
                    trial.state == TrialState.RUNNING
                    and trial.user_attrs.get("worker") in self.dead
                ):
                    yield
                    fail(storage, trial._trial_id, LOST if ledger.counts(trial.number) else SURPLUS)
            yield
            for trial in self.ledger().to_requeue:
                yield
                enqueue_retry(self.study, trial)
            ledger = self.ledger()
            if ledger.done:
                return
            if not ledger.waiting and ledger.undrawn <= 0:
                continue
            yield
            try:
                trial = self.study.ask(RANGES)
                storage.set_trial_user_attr(trial._trial_id, "worker", self.name)
                yield
                if not self.ledger().counts(trial.number):
                    fail(storage, trial._trial_id, SURPLUS)
                    continue
                yield
                self.study.tell(trial, trial.params["x"], skip_if_finished=True)
            except UpdateFinishedTrialError:
                continue


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=150),
    st.integers(1, 6),
    st.data(),
)
def test_any_order_of_steps_and_deaths_ends_with_each_combination_once(moves, wanted, data):
    study, dead = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1)), set()
    workers = [Process(study, wanted, f"w{i}", dead) for i in range(4)]
    for turn, (i, killed) in enumerate(moves):
        if killed:
            dead.add(workers[i].name)
            if data.draw(
                st.booleans()
            ):  # it only slept: its trial is taken, and it wakes up while another has its place
                workers.append(workers[i])
            workers[i] = Process(study, wanted, f"w{i}.{turn}", dead)
        next(workers[i].steps, None)
    while workers:  # the rest take turns
        workers = [worker for worker in workers if next(worker.steps, "over") is None]
    trials = study.get_trials()
    ledger = Ledger(trials, wanted)
    assert ledger.done and ledger.undrawn == 0
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    assert len(complete) == wanted and {t.number for t in complete} == {
        t.number for t in ledger.finished
    }
    assert len({t.params["x"] for t in complete}) == wanted and 0.5 in {
        t.params["x"] for t in complete
    }
    for trial in complete:
        if RETRY_OF in trial.user_attrs:
            drawn = ledger.original(trial.number)
            assert trial.params == drawn.system_attrs.get("fixed_params", {}) | drawn.params


def test_proposals_are_those_of_trials_that_count_and_seconds_of_all():
    """A retry is what its original was; the default settings were proposed by nobody."""
    study = optuna.create_study()
    study.enqueue_trial({"x": 0.5}, user_attrs={PLANNED: 0})
    for proposed, state in (
        (None, "done"), (True, LOST), (None, "done"), (False, "done"), (True, "done"),
    ):  # fmt: skip
        trial = study.ask(RANGES)
        trial.set_user_attr("seconds", 2.0)
        if proposed is not None:
            trial.set_user_attr(PROPOSED, proposed)
        if state == LOST:
            fail(study._storage, trial._trial_id, LOST)
            enqueue_retry(study, study.trials[-1])
        else:
            study.tell(trial, 1.0)
    ledgers = [Ledger(study.trials, wanted) for wanted in (1, 2, 3, 4)]
    assert [ledger.proposals for ledger in ledgers] == [0, 1, 1, 2]
    assert [ledger.seconds for ledger in ledgers] == [10.0] * 4
    assert [len(ledger.finished) for ledger in ledgers] == [1, 2, 3, 4]


def test_a_worker_is_gone_when_its_process_is_and_not_before():
    study = optuna.create_study()
    me = Worker(study._storage)
    mine = study.ask()
    me.claim(mine._trial_id)
    assert not me.is_gone(study.trials[0]), "it is this process"
    me.stop()
    assert me.is_gone(study.trials[0]), "it is this process, which is at it no more"
    assert Worker(study._storage).is_gone(study.trials[0]), "nor in another call"
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    study._storage.set_trial_user_attr(
        mine._trial_id, "worker", {**me.name, "pid": other.pid, "started": started(other.pid)}
    )
    assert not me.is_gone(study.trials[0])
    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    assert me.is_gone(study.trials[0]), "a child that nobody has asked for yet"
    other.wait()
    assert me.is_gone(study.trials[0])
    study._storage.set_trial_user_attr(
        mine._trial_id, "worker", {**me.name, "pid": os.getpid(), "started": "0"}
    )
    assert me.is_gone(study.trials[0]), "its number was given to another process"


@pytest.mark.parametrize("claimed", [True, False])
def test_one_of_another_machine_is_gone_when_its_mark_stands_still(claimed, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("merbench.tuning.worker.time.monotonic", lambda: clock[0])
    study = optuna.create_study()
    trial_id, storage = study.ask()._trial_id, study._storage
    me = Worker(storage, grace=100.0, unclaimed=10.0)
    patience = 100.0 if claimed else 10.0
    if claimed:
        storage.set_trial_user_attr(
            trial_id, "worker", {"host": "elsewhere", "pid": os.getpid(), "started": 0.0}
        )
    for beat in range(3):
        storage.set_trial_user_attr(trial_id, "beat", f"at {beat}, by a clock that nobody trusts")
        assert not me.is_gone(study.trials[0])
        clock[0] += patience - 1
        assert not me.is_gone(study.trials[0])
    clock[0] += 2
    assert me.is_gone(study.trials[0])


def test_a_worker_marks_its_trial_and_learns_that_it_was_taken():
    study = optuna.create_study()
    trial = study.ask()
    worker = Worker(study._storage, beat=0.01)
    worker.start(trial._trial_id)
    while "beat" not in study.trials[0].user_attrs:
        pass
    assert not worker.lost_trial
    fail(study._storage, trial._trial_id, LOST)
    while not worker.lost_trial:
        pass
    worker.stop()
    assert study.trials[0].user_attrs[END] == LOST
    fail(study._storage, trial._trial_id, "something else")
    assert study.trials[0].user_attrs[END] == LOST, "what is finished is not ended again"
