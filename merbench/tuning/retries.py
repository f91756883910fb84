"""Which trials count: exactly so many, each finished once, whatever happens to the workers.

Optuna's storages have one rule that several workers can rely on: trials are numbered, and a trial
is finished by one of them only. The rest follows from the list of trials alone, so that all workers
come to the same answer without talking to one another:

- A trial whose worker is gone is failed as *lost*, and its parameters are enqueued again as a
  *retry*. An original and its retries count once, by the latest attempt.
- Of two trials that exist twice (a retry enqueued by two workers, a planned trial by two), the
  first counts.
- The first N originals count. Two workers that start the last one at once have started one too
  many, and the later one is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

PLANNED = "planned"
"""User attribute of a trial that was enqueued and not drawn: its number (0 = the default settings).
"""
RETRY_OF = "heir_of"
"""User attribute of a retry: the number of the trial that it repeats. The word is older than the
constant's name, and stands in journals that go on.
"""
END = "end"
"""User attribute of a failed trial: one of the three below, which count for nothing, or its error.
"""
LOST, SURPLUS, IMPOSSIBLE = "lost", "surplus", "impossible"
PROPOSED = "proposed"
"""User attribute, true where the sampler's model proposed the settings: not the default settings,
and not the random draws before a model has seen enough.
"""


class Ledger:
    """What the trials of a search amount to, when ``wanted`` are to be finished."""

    def __init__(self, trials: Sequence[FrozenTrial], wanted: int) -> None:
        self.trials = {t.number: t for t in trials}
        self.wanted = wanted
        self.retries: dict[int, int] = {}
        for trial in trials:
            if (repeated := trial.user_attrs.get(RETRY_OF)) is not None:
                self.retries.setdefault(repeated, trial.number)

    def original(self, number: int) -> FrozenTrial:
        """The trial that was first tried with these parameters."""
        while (repeated := self.trials[number].user_attrs.get(RETRY_OF)) is not None:
            number = repeated
        return self.trials[number]

    def latest_attempt(self, original: int) -> FrozenTrial:
        number = original
        while number in self.retries:
            number = self.retries[number]
        return self.trials[number]

    @cached_property
    def originals(self) -> list[int]:
        """The first ``wanted`` trials that are no retries. A drawn combination that could not be
        built is none of them.
        """
        planned: set[int] = set()
        numbers = []
        for number, trial in self.trials.items():
            slot = trial.user_attrs.get(PLANNED)
            end = self.latest_attempt(number).user_attrs.get(END)
            duplicate = RETRY_OF in trial.user_attrs or slot in planned
            if duplicate or end == SURPLUS or (end == IMPOSSIBLE and slot is None):
                continue
            if slot is not None:
                planned.add(slot)
            numbers.append(number)
        return numbers[: self.wanted]

    def counts(self, number: int) -> bool:
        """True for the latest attempt at one of the wanted originals."""
        original = self.original(number).number
        return original in self.originals and self.latest_attempt(original).number == number

    @property
    def effective_trials(self) -> Iterator[FrozenTrial]:
        """The latest attempt at each original."""
        return (self.latest_attempt(original) for original in self.originals)

    @cached_property
    def finished(self) -> list[FrozenTrial]:
        """Complete, pruned or failed by themselves, in the order in which they were drawn."""
        return [t for t in self.effective_trials if t.state.is_finished() and not _is_lost(t)]

    @cached_property
    def waiting(self) -> list[FrozenTrial]:
        return [t for t in self.effective_trials if t.state == TrialState.WAITING]

    @property
    def to_requeue(self) -> list[FrozenTrial]:
        """Lost, and not enqueued again yet."""
        return [t for t in self.effective_trials if _is_lost(t)]

    @property
    def undrawn(self) -> int:
        """How many are still to be drawn."""
        return self.wanted - len(self.originals)

    @property
    def done(self) -> bool:
        return len(self.finished) == self.wanted

    @property
    def impossible(self) -> list[FrozenTrial]:
        """Drawn, and their settings did not fit one another."""
        return [t for t in self.trials.values() if t.user_attrs.get(END) == IMPOSSIBLE]

    @property
    def proposals(self) -> int:
        """Finished trials whose settings the sampler's model proposed."""
        originals = (self.original(trial.number) for trial in self.finished)
        return sum(bool(original.user_attrs.get(PROPOSED)) for original in originals)

    @property
    def seconds(self) -> float:
        """Training that was spent, also on trials that count for nothing; not what a killed worker
        did.
        """
        return float(sum(t.user_attrs.get("seconds", 0.0) for t in self.trials.values()))


def _is_lost(trial: FrozenTrial) -> bool:
    # A worker that was taken for gone may have finished it after the mark and before the state.
    return trial.state == TrialState.FAIL and trial.user_attrs.get(END) == LOST


def fail(storage: BaseStorage, trial_id: int, reason: str) -> None:
    """Fail a trial for a reason, unless it is finished by now."""
    try:
        storage.set_trial_user_attr(trial_id, END, reason)
        storage.set_trial_state_values(trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:
        pass


def enqueue_retry(study: Study, trial: FrozenTrial) -> None:
    """The parameters that were drawn wait to be tried again."""
    parameters = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    study.enqueue_trial(parameters, user_attrs={RETRY_OF: trial.number})
