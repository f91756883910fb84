"""What is counted, made or hashed from a stream: words, train statistics, label counts, leaks, the
content of a run's data.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from merbench.api.errors import RequestError
from merbench.api.material.corpus import Corpus, Split, Stream, Task
from merbench.api.material.labels import usual_glosses
from merbench.api.material.lexicon import words_of
from merbench.api.material.types import LabelCounts, LabelSpace

_BLOCK = 2**21  # numbers held at a time: 16 MiB as float64


class Statistics(NamedTuple):
    """Of a ``features`` stream over the valid steps of its train rows; values that are not finite
    are left out.

    ``mean_D``, ``scale_D`` float32: mean and deviation (1 where there is no deviation).
    ``not_finite``: how many values were left out. ``steps``: how many steps were seen.
    """

    mean_D: np.ndarray
    scale_D: np.ndarray
    not_finite: int
    steps: int


def valid_steps(stream: Stream, rows: np.ndarray) -> Iterator[np.ndarray]:
    """The values of the given rows' real steps, row after row, in blocks of bounded size (a row is
    never cut).
    """
    width = int(np.prod(stream.values.shape[1:])) or 1
    length = stream.length[rows].astype(np.int64)
    block = np.cumsum(length) * width // _BLOCK
    for part in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(block)) + 1):
        n = length[part]
        within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        yield stream.values[np.repeat(stream.start[rows[part]], n) + within]


def count_not_finite(stream: Stream) -> int:
    """Values of real steps that are NaN or infinite (as float32, in which models read them)."""
    with np.errstate(over="ignore"):
        return sum(
            int((~np.isfinite(x_TD.astype(np.float32, copy=False))).sum())
            for x_TD in valid_steps(stream, np.arange(len(stream.length)))
        )


def steps_key(stream: Stream, rows: np.ndarray) -> str:
    """Which steps of which file: the name under which their statistics are remembered."""
    digest = hashlib.sha256(stream.sha256.encode())
    for bounds in (stream.start, stream.length):
        digest.update(np.ascontiguousarray(bounds[rows], dtype="<i8").data)
    return digest.hexdigest()[:32]


def train_statistics(stream: Stream, train_rows: np.ndarray) -> Statistics:
    """Mean and population deviation, accumulated in float64 block by block (Chan, Golub and LeVeque
    1979, eq. 2.1).
    """
    if stream.statistics and (found := stream.statistics.get(steps_key(stream, train_rows))):
        return Statistics(*found)
    width = stream.values.shape[1]
    count_D, mean_D, square_D = np.zeros(width), np.zeros(width), np.zeros(width)
    not_finite = steps = 0
    for block_TD in valid_steps(stream, train_rows):
        with np.errstate(over="ignore"):
            x_TD = block_TD.astype(np.float32, copy=False).astype(np.float64)
        finite_TD = np.isfinite(x_TD)
        steps += len(x_TD)
        not_finite += int((~finite_TD).sum())
        n_D = finite_TD.sum(0)
        here_D = np.where(finite_TD, x_TD, 0.0).sum(0) / np.maximum(n_D, 1)
        delta_D = here_D - mean_D
        both_D = np.maximum(count_D + n_D, 1)
        square_D += (np.where(finite_TD, x_TD - here_D, 0.0) ** 2).sum(
            0
        ) + delta_D**2 * count_D * n_D / both_D
        mean_D += delta_D * n_D / both_D
        count_D += n_D
    scale_D = np.sqrt(square_D / np.maximum(count_D, 1))
    # Below the resolution of float32 a deviation is rounding noise of a constant, and dividing by
    # it would blow up other rows.
    f32 = np.finfo(np.float32)
    scale_D[scale_D <= f32.tiny + f32.eps * np.abs(mean_D)] = 1.0
    return Statistics(mean_D.astype(np.float32), scale_D.astype(np.float32), not_finite, steps)


def as_words(stream: Stream) -> Stream:
    """A ``strings`` stream cut into words (``words_of``); ``vocab`` sorted, ids int32. A ``words``
    stream is returned as it is.
    """
    if stream.kind == "words":
        return stream
    if stream.kind != "strings":
        raise RequestError(
            f"stream {stream.name!r} of kind {stream.kind!r} holds no words; "
            "offer a stream of kind 'words' or 'strings'"
        )
    rows = [
        words_of(str(text)) if there else []
        for text, there in zip(stream.values, stream.length, strict=True)
    ]
    number: defaultdict[str, int] = defaultdict()
    number.default_factory = number.__len__
    seen = np.fromiter((number[word] for row in rows for word in row), dtype=np.int32)
    vocab = tuple(sorted(number))
    rank = np.empty(len(vocab), dtype=np.int32)
    rank[[number[word] for word in vocab]] = np.arange(len(vocab), dtype=np.int32)
    length = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    return replace(
        stream,
        kind="words",
        values=rank[seen],
        start=np.cumsum(length) - length,
        length=length,
        vocab=vocab,
    )


def _anchor_shares(y_n: np.ndarray, anchors_C: np.ndarray) -> np.ndarray:
    """[n, C]: ``merbench.api.soft_targets`` without torch: each score split between its two
    neighbouring anchors.
    """
    y_n = np.clip(y_n, anchors_C[0], anchors_C[-1])
    upper_n = np.clip(np.searchsorted(anchors_C, y_n), 1, len(anchors_C) - 1)
    share_n = (y_n - anchors_C[upper_n - 1]) / (anchors_C[upper_n] - anchors_C[upper_n - 1])
    out_nC = np.zeros((len(y_n), len(anchors_C)))
    rows_n = np.arange(len(y_n))
    out_nC[rows_n, upper_n - 1], out_nC[rows_n, upper_n] = 1 - share_n, share_n
    return out_nC


def label_counts(task: Task, train_rows: np.ndarray) -> LabelCounts:
    """The counts of ``merbench.api.LabelCounts`` over the given (train) rows."""
    target, space = task.target[train_rows], task.space
    known = np.ones(target.shape, dtype=bool) if task.known is None else task.known[train_rows]
    parts = list(
        zip(space.tasks, space.split_targets(target), space.split_targets(known), strict=True)
    )
    counted = [_counted(*part) for part in parts]
    known_nC, positive_nC = (np.concatenate(both, axis=1) for both in zip(*counted, strict=True))
    scores = [y[seen] for one, y, seen in parts if one.kind == "score"]
    median = float(np.median(scores[0])) if scores and len(scores[0]) else 0.0
    observed_nC = known_nC.astype(np.float64)
    return LabelCounts(
        known_C=observed_nC.sum(0),
        positive_C=positive_nC.sum(0),
        together_CC=positive_nC.T @ positive_nC,
        median=median,
        positive_known_CC=positive_nC.T @ observed_nC,
    )


def _counted(
    space: LabelSpace, target: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Both [n, C], by word: whether it is observed, and how positive it is (0 where it is not)."""
    if space.kind == "multilabel":
        return known, ((target > 0.5) & known).astype(np.float64)
    if space.kind == "score":
        share_nC = _anchor_shares(target.astype(np.float64), np.array(space.anchors))
    else:
        share_nC = np.eye(len(space.words))[target]
    return np.broadcast_to(known[:, None], share_nC.shape), np.where(known[:, None], share_nC, 0.0)


def leaking_rows(stream: Stream, rows: np.ndarray) -> int:
    """How many of the given (evaluated) rows the stream's network was trained on, with labels."""
    return 0 if stream.fitted_on is None else int(stream.fitted_on[rows].sum())


def leak_sentence(stream: Stream, corpus: Corpus, protocol: str, split: Split) -> str:
    """Why scores of this stream on ``split`` of ``protocol`` would not be honest, and the way out;
    empty where nothing leaks.
    """
    evaluated = {"valid": split.valid, "test": split.test}
    seen = [
        f"{n} of the {len(rows)} {name} rows"
        for name, rows in evaluated.items()
        if (n := leaking_rows(stream, rows))
    ]
    if not seen:
        return ""
    clean = [
        name
        for name, other in corpus.protocols.items()
        if not any(leaking_rows(stream, rows) for s in other.splits for rows in (s.valid, s.test))
    ]
    honest = (
        f"use the protocol {clean[0]!r}, whose evaluated rows it has not seen, or " if clean else ""
    )
    return (
        f"stream {stream.name!r} of {corpus.name} comes from a network that was trained on the "
        f"labels of {' and '.join(seen)} of "
        f"protocol {protocol!r}{'' if split.fold is None else f', fold {split.fold}'}, "
        "so its score there would be too good; "
        f"{honest}leave the stream out, or give --allow-leak, which marks the run for ever"
    )


def revision(corpus: Corpus, task: str, protocol: str, streams: Sequence[str]) -> str:
    """SHA-256 of what a run sees: ids, targets, which are known, the division of the rows, and the
    content of the streams it uses.

    Rows are hashed in the order of their ids, so the order of a file does not matter; nor does the
    numbering of a vocabulary. A clip counts by the size of its file, not by its bytes.
    """
    order = np.argsort(corpus.ids)
    digest = hashlib.sha256()

    def add(*items: Any) -> None:
        for item in items:
            if isinstance(item, np.ndarray):
                digest.update(f"{item.dtype.str}{item.shape}".encode())
                digest.update(np.ascontiguousarray(item).data)
            else:
                digest.update(json.dumps(item).encode())

    goal = corpus.offered[task]
    add(
        task,
        goal.space.kind,
        goal.space.words,
        goal.space.anchors,
        *([p.kind, p.words, p.anchors] for p in goal.space.parts),
    )
    for part in goal.space.tasks:  # only where a data set gives its own: older runs keep their ids
        if part.glosses != usual_glosses(part.words):
            add(part.glosses)
    add(
        corpus.ids[order].tolist(),
        goal.target[order],
        None if goal.known is None else goal.known[order],
    )
    for split in corpus.protocols[protocol].splits:
        add(
            split.fold,
            *(sorted(corpus.ids[rows].tolist()) for rows in (split.train, split.valid, split.test)),
        )
    for name in sorted(streams):
        stream = corpus.streams[name]
        add(name, stream.modality, stream.kind, stream.length[order].astype(np.int64))
        # A run is marked by this, so correcting it makes other runs.
        add(None if stream.fitted_on is None else stream.fitted_on[order])
        if stream.sha256:
            add(stream.sha256)
            continue
        if stream.kind == "words":
            used, number = np.unique(
                np.concatenate([*valid_steps(stream, order)]), return_inverse=True
            )
            words, rank = np.unique(
                np.array([stream.vocab[i] for i in used], dtype=str), return_inverse=True
            )
            add(words.tolist(), rank[number])
        elif stream.kind == "strings":
            add([str(stream.values[i]) if stream.length[i] else None for i in order])
        elif stream.kind == "clip":
            add(
                [
                    Path(str(stream.values[i])).stat().st_size if stream.length[i] else None
                    for i in order
                ]
            )
        for array in ([stream.values] if stream.kind == "features" else []) + (
            [] if stream.times is None else [stream.times]
        ):
            add(array.dtype.str, array.shape[1:])
            for block in valid_steps(replace(stream, values=array), order):
                digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()
