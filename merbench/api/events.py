"""What watchers and loggers are called with: one frozen dataclass an event, in the order in which
things happen.

A run: ``RunStarted``, one ``EpochDone`` after another, ``RunDone``. Before it, where frozen
encoders run first: ``EncodingStarted``, ``RowsEncoded``, ... A search: ``SearchProgress`` and
``TrialEpoch`` as trials go on. ``Note`` is a sentence for the user that belongs to no number.

``Watch`` is any callable that takes an event; it looks at those it knows and leaves the others::

    def watch(event: Event) -> None:
        if isinstance(event, EpochDone):
            print(event.epoch, event.metric, event.value)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, kw_only=True)
class Note(Event):
    """A sentence for the user: of a data set, of a plan, of what a run does otherwise than asked.

    ``warning``: something was wrong (a record set aside, say), not only worth knowing.
    """

    sentence: str
    warning: bool = False


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """Before a run's model is built. ``epochs``: at most so many, over all stages; 0 for a model
    that is fitted in closed form. ``settings``: by dotted name, every default filled in.
    """

    run_id: str
    model: str
    ablation: str
    dataset: str
    task: str
    protocol: str
    seed: int
    fold: int | None
    epochs: int
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunResumed(Event):
    """A run continues from its checkpoint, after ``epoch`` whole epochs over all stages."""

    run_id: str
    seed: int
    fold: int | None
    epoch: int
    epochs: int


@dataclass(frozen=True, kw_only=True)
class WeightsLoaded(Event):
    """Initial weights of ``--init-from``: a sentence that says what was loaded and what was not."""

    run_id: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class EpochDone(Event):
    """After validation of one epoch.

    ``epoch`` of ``epochs``: counted from 1, over all stages of the run; fewer come where training
    stops early. ``losses``: mean of each term over the train rows. ``value``: of ``metric`` on the
    validation rows, None where it is undefined. ``run_id`` is empty inside a trial of a search.
    """

    run_id: str
    seed: int
    fold: int | None
    stage: str
    epoch: int
    epochs: int
    losses: Mapping[str, float]
    metric: str
    value: float | None


@dataclass(frozen=True, kw_only=True)
class TrainedAlone(Event):
    """Seeds that were to train together (``train.stack``) train one by one, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class RunDone(Event):
    """A run has its record: it was made now, or it was in the store already (``reused``).

    ``valid`` and ``test``: metric name -> value, empty where the run failed. ``seconds``: of
    training and scoring, None where the run failed. ``other_source``: it was made by another
    version of the source code.
    """

    run_id: str
    seed: int
    fold: int | None
    status: Literal["done", "failed"]
    valid: Mapping[str, float | None] = field(default_factory=dict)
    test: Mapping[str, float | None] = field(default_factory=dict)
    best_epoch: int | None = None
    seconds: float | None = None
    error: str | None = None
    reused: bool = False
    other_source: bool = False


@dataclass(frozen=True, kw_only=True)
class Waiting(Event):
    """Another process has what this one needs; it is waited for. ``sentence``: who it is, and how
    to go on without it.
    """

    sentence: str


@dataclass(frozen=True, kw_only=True)
class EncodingStarted(Event):
    """A frozen encoder begins with the rows of a stream, ``done`` of them by an earlier call."""

    label: str
    rows: int
    done: int


@dataclass(frozen=True, kw_only=True)
class RowsEncoded(Event):
    """So many ``rows`` more are encoded."""

    label: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class EncodingNotes(Event):
    """Clips that are missing or incomplete: name -> what is wrong with it, of ``rows``."""

    label: str
    rows: int
    notes: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class EncodingCounts(Event):
    """What a frozen encoder counted on its rows: name, as its documentation has it -> number."""

    label: str
    counts: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class SearchProgress(Event):
    """``finished`` of ``wanted`` trials, by all workers; ``best``: the best value so far of
    ``metric`` on the validation rows, of trial ``best_trial``.
    """

    search: str
    finished: int
    wanted: int
    metric: str
    best: float | None = None
    best_trial: int | None = None


@dataclass(frozen=True, kw_only=True)
class TrialEpoch(Event):
    """An epoch of a trial of this worker's."""

    trial: int
    epoch: EpochDone


@dataclass(frozen=True, kw_only=True)
class TrialDone(Event):
    """A trial of this worker's ended. ``error``: why it failed."""

    trial: int
    status: Literal["complete", "pruned", "failed"]
    settings: Mapping[str, Any]
    value: float | None = None
    error: str | None = None


Watch = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A ``Watch`` that looks at nothing."""
