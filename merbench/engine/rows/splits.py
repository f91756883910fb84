"""The rows of one split as torch sees them: batches are made by index, over tensors that share
memory with what was read or mapped.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from merbench.api import (
    MODALITIES,
    Batch,
    Context,
    FeatureRows,
    LabelSpace,
    Lexicon,
    Modality,
    Prepared,
    Rows,
    Split,
    StepRows,
    Stream,
    Task,
    TextRows,
    Turns,
    WordRows,
)
from merbench.data.labels.counts import label_counts
from merbench.data.streams.train_statistics import Statistics, train_statistics
from merbench.engine.model.contract import prepared
from merbench.engine.rows.batches import lengths, within_budget
from merbench.engine.rows.hidden_labels import hide
from merbench.engine.rows.missing import incomplete

USUAL_STEPS = 8
"""Of a row, in batches by length."""
CLIPS_AT_ONCE = 16
"""Rows of a batch that is not trained on, where clips are decoded for it: their pictures and waves
take megabytes each.
"""


def _tensor(array: np.ndarray) -> Tensor:
    with warnings.catch_warnings():
        # A read-only memory map: nobody writes to it.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def rows_of(stream: Stream, rows: np.ndarray, statistics: Statistics | None) -> Rows:
    start_N, length_N = (
        _tensor(stream.start[rows].astype(np.int64)),
        _tensor(stream.length[rows].astype(np.int64)),
    )
    if stream.kind == "features":
        assert statistics is not None
        mean_D, scale_D = _tensor(statistics.mean_D), _tensor(statistics.scale_D)
        return FeatureRows(stream.spec, _tensor(stream.values), start_N, length_N, mean_D, scale_D)
    if stream.kind == "steps":
        return StepRows(stream.spec, _tensor(stream.values), start_N, length_N)
    if stream.kind == "words":
        return WordRows(stream.spec, _tensor(stream.values), start_N, length_N, stream.vocab)
    return TextRows(stream.spec, stream.values[rows], length_N)


def to_device(value: Any, device: torch.device) -> Any:
    """Tensors inside (named) tuples, lists and dicts, moved."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, tuple):
        moved = [to_device(v, device) for v in value]
        return type(value)(*moved) if hasattr(value, "_fields") else tuple(moved)
    if isinstance(value, Mapping):
        return {k: to_device(v, device) for k, v in value.items()}
    return value


class SplitData:
    """N rows with prepared inputs and targets. ``device`` is where batches go."""

    def __init__(
        self,
        inputs: Mapping[Modality, Prepared],
        target: Tensor,
        known: Tensor | None,
        device: torch.device,
        turns: Turns | None = None,
    ) -> None:
        self.inputs, self.target, self.known, self.device = inputs, target, known, device
        self.turns = turns
        self._here = device.type == "cpu"

    def __len__(self) -> int:
        return len(self.target)

    def batch(self, rows_B: Tensor) -> Batch:
        known = None if self.known is None else self.known[rows_B]
        batch = Batch(
            rows_B,
            {m: prepared[rows_B] for m, prepared in self.inputs.items()},
            self.target[rows_B],
            known,
            turns=None if self.turns is None else Turns(*(part[rows_B] for part in self.turns)),
        )
        if self._here:
            return batch
        parts = {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}
        return Batch(**{name: to_device(part, self.device) for name, part in parts.items()})

    @cached_property
    def length_N(self) -> Tensor | None:
        """Steps of each row; None where no modality knows."""
        return lengths(self.inputs)

    def batches(self, size: int = 256, by_length: bool = False) -> Iterator[Batch]:
        """All rows in their order, ``size`` at a time; or the longest first, as many at a time as
        make ``size`` rows of ``USUAL_STEPS`` with what is padded. ``CLIPS_AT_ONCE`` is the most of
        clips.
        """
        if any(hasattr(prepared, "decode") for prepared in self.inputs.values()):
            size = min(size, CLIPS_AT_ONCE)
        if by_length and self.length_N is not None:
            for rows in within_budget(self.length_N.numpy(), size * USUAL_STEPS):
                yield self.batch(torch.from_numpy(rows))
            return
        for rows_B in torch.arange(len(self)).split(size):
            yield self.batch(rows_B)


@dataclass
class Fold:
    """What the runs of one fold share, whatever their seed: rows, statistics of the train rows,
    context. Streams are read once.
    """

    streams: Mapping[Modality, Stream]
    task: Task
    split: Split
    lexicon: Lexicon | None
    turns_N2: np.ndarray | None = None
    statistics: dict[Modality, Statistics] = field(init=False)
    context: Context = field(init=False)
    opened: list[str] = field(init=False, default_factory=list)
    unlabelled: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        train = self.rows("train")
        self.statistics = {
            m: train_statistics(s, train) for m, s in self.streams.items() if s.kind == "features"
        }
        self.context = Context(
            space=self.task.space,
            streams={m: self.streams[m].spec for m in MODALITIES if m in self.streams},
            n_train=len(train),
            counts=label_counts(self.task, train),
            lexicon=self.lexicon,
        )

    def for_training(self, labels: str, seed: int, unlabelled: bool, missing: str = "") -> Fold:
        """This fold as a run with ``seed`` may learn from it: with labels hidden as ``labels``
        says, with train rows of which nothing is known where ``unlabelled``, and with modalities
        taken from train rows as ``missing`` says. Features are standardised as those of all rows.
        """
        if not labels and not missing and (not unlabelled or self.task.known is None):
            return self
        fold = copy(self)
        fold.unlabelled = unlabelled
        if missing:
            train = self.split.train
            fold.streams = incomplete(missing, self.streams, train, seed, self.split.fold)
        if labels:
            fold.task = hide(labels, self.task, self.split.train, seed, self.split.fold)
        fold.context = dataclasses.replace(
            self.context,
            n_train=len(fold.rows("train")),
            counts=label_counts(fold.task, fold.task.known_rows(self.split.train)),
        )
        return fold

    @property
    def space(self) -> LabelSpace:
        return self.task.space

    def rows(self, name: str) -> np.ndarray:
        """Row numbers of ``train``, ``valid`` or ``test`` whose target is known (multilabel and
        joint: all; unknown cells are masked).
        """
        rows: np.ndarray = getattr(self.split, name)
        return rows if self.unlabelled and name == "train" else self.task.known_rows(rows)

    def data(self, name: str, encoders: Mapping[Modality, Any], device: torch.device) -> SplitData:
        """A split with each encoder's ``prepare()`` applied; ``opened`` keeps the order in which
        they were asked for.
        """
        self.opened.append(name)
        rows = self.rows(name)
        return self.of(self.streams, self.task, rows, encoders, device, self.turns_N2)

    def of(
        self,
        streams: Mapping[Modality, Stream],
        task: Task,
        rows: np.ndarray,
        encoders: Mapping[Modality, Any],
        device: torch.device,
        turns_N2: np.ndarray | None = None,
    ) -> SplitData:
        """Any rows as this fold's models see them, standardised by ITS train rows: damaged ones, or
        those of another data set. ``turns_N2``: of all rows of the data set that they are of
        (``Corpus.turns_N2``); None where they are of none.
        """
        inputs = {
            m: prepared(encoders[m], rows_of(streams[m], rows, self.statistics.get(m)))
            for m in self.streams
        }
        target = _tensor(task.target[rows])
        target = target.long() if task.space.kind == "class" else target.float()
        cells = task.known_cells(rows)
        if self.unlabelled and task.known is not None:
            cells = task.known[rows]
        known = None if cells is None else _tensor(cells)
        if known is not None:
            target = target.masked_fill(~known, 0)  # a NaN would reach gradients through 0 * NaN
        turns = None if turns_N2 is None else Turns(*_tensor(turns_N2[rows].T.copy()))
        return SplitData(inputs, target, known, device, turns)


def modalities_of(names: Sequence[str]) -> tuple[Modality, ...]:
    """Names in the canonical order."""
    return tuple(m for m in MODALITIES if m in names)
