"""A data set in memory (or memory-mapped): what a dataset factory returns and the feature-folder
reader makes. numpy only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from merbench.api.material.types import LabelSpace, Modality, StreamKind, StreamSpec
from merbench.api.material.word_vectors import Lexicon


def in_order(name: str) -> tuple[tuple[float, str], ...]:
    """A key that sorts names by the numbers in them: ``utt2`` before ``utt10``, ``6_368`` (6.368 s)
    before ``13_2``.
    """
    if name.isdecimal():  # of most clips: a data set has thousands
        return ((float(name), ""),)
    parts = re.split(r"(\d+)", name)
    return tuple(
        (float(part), "") if part.isdecimal() else (-1.0, part) for part in parts if part != ""
    )


@dataclass(frozen=True)
class Stream:
    """One modality's signal for N utterances. Row i is ``values[start[i] : start[i] + length[i]]``;
    length 0 = missing.

    ``values`` by kind: ``features`` float [T, D]; ``steps`` float32 [T, D], made by a frozen
    encoder and passed on as it is; ``words`` int [T] into ``vocab``; ``strings`` and ``clip`` str
    [N] (then ``start`` is 0..N-1 and ``length`` 1, or 0 where there is none). Ragged, left-padded,
    right-padded and one-step arrays all take this form without a copy. ``times`` [T, 2]: start and
    end of each step in seconds, where known. ``fitted_on`` bool [N]: the rows on whose labels the
    network that made this stream was trained; None = no labels were used. ``sha256``: of the file
    that holds values and lengths, where it is known; empty = the values decide. ``statistics``:
    train statistics that were counted when the stream was added, by the steps they are over.
    """

    name: str
    modality: Modality
    kind: StreamKind
    values: np.ndarray
    start: np.ndarray
    length: np.ndarray
    vocab: tuple[str, ...] = ()
    times: np.ndarray | None = None
    fitted_on: np.ndarray | None = None
    note: str = ""
    sha256: str = ""
    statistics: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of_rows(
        cls, name: str, modality: Modality, kind: StreamKind, values: np.ndarray, **fields: Any
    ) -> Stream:
        """One step an utterance: ``features`` [N, D], or ``strings`` / ``clip`` [N] (an empty
        string = missing).
        """
        is_text = kind in ("strings", "clip")
        missing = values == "" if is_text else np.zeros(len(values), dtype=bool)
        return cls(
            name,
            modality,
            kind,
            values,
            np.arange(len(values)),
            1 - missing.astype(np.int64),
            **fields,
        )

    @property
    def spec(self) -> StreamSpec:
        width = int(self.values.shape[1]) if self.kind in ("features", "steps") else None
        return StreamSpec(self.name, self.modality, self.kind, width, self.note)


@dataclass(frozen=True)
class Law:
    """How the targets of a generated task depend on its streams: from it the best possible
    predictor follows.

    ``outcomes``: [K] values of a score, ascending, or [K, C] sets of labels (0 or 1), all that can
    occur. ``posterior(modalities)`` -> [N, K]: the probability of each outcome given these
    modalities of a row. ``label_by_label(modalities)`` -> [N, C], of labels only: what one who
    reads the evidence of each label by itself, and does not know how labels occur together, takes
    for the probability of each.
    """

    outcomes: np.ndarray
    posterior: Callable[[frozenset[Modality]], np.ndarray]
    label_by_label: Callable[[frozenset[Modality]], np.ndarray] | None = None


@dataclass(frozen=True)
class Task:
    """``target``: float [N] of a score, int [N] of a class, float [N, C] of a multilabel task,
    float [N, 1 + C] of a joint one. ``known`` bool, same shape; None = all. The content of an
    unknown cell is arbitrary.

    ``streams``: those that this task offers by default, one a modality, in place of its protocol's;
    ``lexicon``: word vectors in place of the data set's; ``law``: where the task was generated.
    ``rank``: the metric that ranks models of this task, and selects epochs where ``train.select``
    is empty; empty = the first of the kind.
    """

    space: LabelSpace
    target: np.ndarray
    known: np.ndarray | None = None
    streams: tuple[str, ...] = ()
    lexicon: Lexicon | None = None
    law: Law | None = None
    rank: str = ""

    def is_known(self, rows: np.ndarray | None = None) -> np.ndarray:
        """bool, the shape of the target: which cells (of ``rows``) are known."""
        target = self.target if rows is None else self.target[rows]
        if self.known is None:
            return np.ones(target.shape, dtype=bool)
        return self.known if rows is None else self.known[rows]

    def count_incomplete(self, rows: np.ndarray) -> int:
        """How many of ``rows`` have a cell that is not known."""
        known = self.is_known(rows)
        return int((~known).reshape(len(rows), -1).any(axis=1).sum())

    def known_rows(self, rows: np.ndarray) -> np.ndarray:
        """Those of ``rows`` whose target is known; of a task with several labels a row, all of
        them: their unknown cells are masked.
        """
        if self.known is None or self.known.ndim > 1:
            return rows
        known: np.ndarray = rows[self.known[rows]]
        return known

    def known_cells(self, rows: np.ndarray) -> np.ndarray | None:
        """[len(rows), C] bool: which cells of these rows are known; None where a row is known
        whole.
        """
        return None if self.known is None or self.known.ndim == 1 else self.known[rows]

    @classmethod
    def joint(cls, score: Task, labels: Task) -> Task:
        """Both of the same rows at once."""
        known = None
        if score.known is not None or labels.known is not None:
            known = np.column_stack([score.is_known(), labels.is_known()])
        return cls(
            LabelSpace.joint(score.space, labels.space),
            np.column_stack([score.target, labels.target]),
            known,
            score.streams,
            score.lexicon,
            rank=score.rank or labels.rank,
        )


@dataclass(frozen=True)
class Split:
    """Row numbers of one train / valid / test division; ``fold`` is its number, None where the
    protocol has no folds.
    """

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    fold: int | None = None


@dataclass(frozen=True)
class Protocol:
    """One way to divide the rows. ``streams``: the streams it offers by default, one a modality.
    ``group``: the group (``Corpus.groups``) whose rows are not independent; empty = the video.
    """

    splits: tuple[Split, ...]
    streams: tuple[str, ...]
    group: str = ""


@dataclass(frozen=True)
class Corpus:
    """N utterances with named streams, tasks and split protocols.

    ``ids`` [N] unique str; ``videos`` [N] str (rows of one video are not independent); ``texts``
    [N] str, empty where unknown. ``lexicon``: word vectors that belong to the data set (used in
    place of the user's). ``notes``: sentences for the user (what was counted, replaced or left out
    on reading). ``times`` [N, 2]: start and end of each row in its video in seconds, NaN where
    unknown. ``groups``: name -> [N] str, what rows belong to beside their video, such as the
    speaker.
    """

    name: str
    ids: np.ndarray
    videos: np.ndarray
    texts: np.ndarray
    tasks: Mapping[str, Task]
    streams: Mapping[str, Stream]
    protocols: Mapping[str, Protocol]
    lexicon: Lexicon | None = None
    notes: tuple[str, ...] = field(default=())
    times: np.ndarray | None = None
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def units(self, protocol: str) -> np.ndarray:
        """[N] str: rows of one unit are not independent of each other, so scores are resampled by
        unit. The group that the protocol names, else the video.
        """
        group = self.protocols[protocol].group if protocol in self.protocols else ""
        return self.groups.get(group, self.videos)

    @cached_property
    def known_revisions(self) -> dict[tuple[str, ...], str]:
        """Content hashes that ``merbench.data.dataset_hash`` has computed, by what they are of."""
        return {}

    @cached_property
    def turns_N2(self) -> np.ndarray:
        """[N, 2] int: the number of each row's video (a dialogue, in MELD), and its place among the
        video's rows, from 0, in the order of what the clips are called (2 before 10).
        """
        _, video_N = np.unique(self.videos, return_inverse=True)
        names = zip(self.ids.tolist(), self.videos.tolist(), strict=True)
        clips = [in_order(name.removeprefix(f"{video}_")) for name, video in names]
        order = sorted(range(len(self)), key=lambda row: (video_N[row], clips[row], self.ids[row]))
        first = np.concatenate([[0], np.cumsum(np.bincount(video_N))[:-1]])
        turns_N2 = np.stack([video_N, np.zeros(len(self), dtype=np.int64)], axis=1)
        turns_N2[order, 1] = np.arange(len(self)) - first[video_N[order]]
        return turns_N2

    @cached_property
    def offered(self) -> Mapping[str, Task]:
        """What a model can be trained for: ``tasks``, and ``SCORE+LABELS`` for a score and a
        multilabel task at once where both are read from the same streams.
        """
        scores, labels = (
            [(n, t) for n, t in self.tasks.items() if t.space.kind == kind]
            for kind in ("score", "multilabel")
        )
        joint = {
            f"{a}+{b}": Task.joint(score, of_b)
            for (a, score), (b, of_b) in product(scores, labels)
            if score.streams == of_b.streams
        }
        return {
            **self.tasks,
            **{name: task for name, task in joint.items() if name not in self.tasks},
        }

    def default_streams(self, task: str, protocol: str) -> tuple[str, ...]:
        """Names of the streams offered to a run on ``task`` under ``protocol``, one a modality."""
        return self.offered[task].streams or self.protocols[protocol].streams
