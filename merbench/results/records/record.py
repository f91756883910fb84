"""One run's record: a validated JSON file. Per-sample predictions are beside it in safetensors."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from pydantic import Field

from merbench.api.declarations.config import Config
from merbench.api.material.corpus import Task
from merbench.api.material.types import LabelSpace, SpaceKind
from merbench.results.records.outside import UNKNOWN, Outside
from merbench.results.spec import RunSpec

SCHEMA = 1
INITIAL = "initial weights"
"""In ``Track.pretrained``: the series of the runs whose weights a run starts from; in
``Track.leaks`` too, where they have seen evaluated rows.
"""


class Track(Config):
    """What a run was allowed to see. Two runs are ranked against each other only inside one track.

    ``streams``: those offered (a model may use fewer); empty = unknown, as of outside predictions
    that do not state them. ``pretrained``: name -> content hash of what any encoder may start from
    (the name again where only that is stated). ``leaks``: what was accepted with ``--allow-leak``:
    streams that were fitted on labels of evaluated rows, initial weights that saw such.
    """

    dataset: str
    revision: str
    task: str
    protocol: str
    streams: list[str]
    pretrained: dict[str, str] = {}
    leaks: list[str] = []
    labels: str = Field(default="", exclude_if=operator.not_)
    """How train labels are hidden (``--labels``); left out where they are not."""
    missing: str = Field(default="", exclude_if=operator.not_)
    """What train rows lack (``--missing``); left out where nothing is taken away."""
    without: str = Field(default="", exclude_if=operator.not_)
    """``DATASET PROTOCOL`` whose validation and test utterances are in no train or validation row
    of this track (``merbench transfer``); left out where all rows are used.
    """

    @property
    def title(self) -> str:
        streams = " + ".join(self.streams) or f"inputs {UNKNOWN}"
        parts = [self.dataset, self.task, self.protocol, streams, *self.towers, *self.stated]
        if self.labels:
            parts.append(f"train labels {self.labels}")
        if self.missing:
            parts.append(f"train missing {self.missing}")
        if self.without:
            parts.append(f"without rows shared with {self.without}")
        if self.leaks:
            parts.append(f"LEAKS: {', '.join(self.leaks)}")
        return " · ".join(parts)

    @property
    def towers(self) -> list[str]:
        """Names of the pretrained networks among ``pretrained``."""
        kind_and_name = [name.partition(":") for name in sorted(self.pretrained)]
        return [name for kind, _, name in kind_and_name if kind in ("transformers", "clip")]

    @property
    def stated(self) -> list[str]:
        """What outside predictions start from by their makers' word alone, without a hash."""
        names = sorted(name for name, content in self.pretrained.items() if name == content)
        return [f"pretrained {UNKNOWN}" if name == UNKNOWN else name for name in names]

    @property
    def inputs_known(self) -> bool:
        """False of outside predictions whose makers do not state all that they were offered."""
        return bool(self.streams) and UNKNOWN not in self.pretrained


class RecordedSpace(Config):
    """What metrics need of a label space. ``anchors``: of a score, the value of each word; None in
    records from before they were kept, whose scores are in [-3, 3]. ``rank``: the metric that the
    data set ranks this task by; empty = the first of the kind.
    """

    kind: SpaceKind
    words: list[str]
    anchors: list[float] | None = None
    parts: list[RecordedSpace] = []
    rank: str = ""

    @classmethod
    def of(cls, task: Task) -> RecordedSpace:
        return _recorded(task.space).model_copy(update={"rank": task.rank})

    def label_space(self) -> LabelSpace:
        """Raises ValueError where its fields do not fit each other."""
        anchors = None if self.anchors is None else tuple(self.anchors)
        parts = tuple(part.label_space() for part in self.parts)
        return _label_space(self.kind, tuple(self.words), anchors, parts)

    def same_task(self, other: RecordedSpace) -> bool:
        """True if predictions of one can be read as the other's."""
        return self.label_space() == other.label_space()


@lru_cache(256)
def _label_space(
    kind: SpaceKind,
    words: tuple[str, ...],
    anchors: tuple[float, ...] | None,
    parts: tuple[LabelSpace, ...],
) -> LabelSpace:
    """One for all records of a task."""
    if kind == "score":
        anchors = anchors or tuple(np.linspace(-3, 3, len(words)).tolist())
    else:
        anchors = None
    return LabelSpace(kind, words, words, anchors, parts)


def _recorded(space: LabelSpace) -> RecordedSpace:
    return RecordedSpace(
        kind=space.kind,
        words=list(space.words),
        anchors=None if space.anchors is None else list(space.anchors),
        parts=[_recorded(part) for part in space.parts],
    )


class Metrics(Config):
    """Metric name -> value; None where it is undefined. ``test`` is scored once, after training."""

    valid: dict[str, float | None]
    test: dict[str, float | None]


class Cost(Config):
    """``seconds`` of wall clock for training and scoring; ``peak_bytes`` of this process (of the
    GPU's allocator on a GPU).
    """

    seconds: float
    gpu_seconds: float = 0.0
    peak_bytes: int
    parameters: int
    trainable: int


class Record(Config):
    """Everything that is known of one run (one spec, one seed, one fold)."""

    schema_number: int = SCHEMA
    run_id: str
    status: Literal["done", "failed"]
    started: str
    """ISO 8601, to the microsecond: it tells two trainings of one run apart (``record_key``)."""
    spec: RunSpec
    track: Track
    seed: int
    fold: int | None = None
    folds: int = 0
    """How many folds its protocol has, 1 where it has none; 0 in records older than the field."""
    space: RecordedSpace
    counts: dict[str, int]
    """Rows in each split."""
    metrics: Metrics | None = None
    thresholds: list[float] | None = None
    measured: dict[str, dict[str, float]] = {}
    """Modality -> what its encoder counted on the train split (``oov_rate``), and not-finite values
    that were replaced.
    """
    history: list[dict[str, Any]] = []
    """One entry an epoch: stage, epoch, mean of each loss term, the selecting validation metric."""
    best_epoch: int | None = None
    reads: list[str] = []
    """The order of events, as observed where rows are read: ``train``, ``valid``, ``trained`` (no
    weight changes after), ``test``.
    """
    cost: Cost | None = None
    weights_sha256: str | None = None
    """Of the trained weights: equal specs, seeds, devices and thread counts give equal weights."""
    contents: dict[str, str]
    source_digest: str
    """Of the packages of the components used and of the harness that trains and scores. A board row
    never mixes digests.
    """
    also_on: list[Track] = Field(default=[], exclude_if=operator.not_)
    """Further tracks that were asked for: what a run reads may be offered by several, and its id is
    the same on each.
    """
    caveat: str = ""
    notes: list[str] = []
    """What is worth knowing of this run: what its start was, how it made do with the memory."""
    tuned_by: dict[str, Any] | None = None
    provenance: dict[str, Any]
    outside: Outside | None = Field(default=None, exclude_if=operator.not_)
    """Of predictions made outside merbench: such a record has no training, history or cost."""
    error: str | None = None

    @property
    def tracks(self) -> list[Track]:
        """Every track on which it stands."""
        return [self.track, *self.also_on]

    def standing_on(self, tracks: Iterable[Track]) -> Record:
        """On these too."""
        more = [track for track in tracks if track not in self.tracks]
        return self.model_copy(update={"also_on": [*self.also_on, *more]}) if more else self
