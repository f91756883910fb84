"""Train rows of one data set added to those of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from merbench.api.material.corpus import Corpus, Stream
from merbench.api.material.types import Modality

JOIN = "+"
"""Stands between the names of data sets that were joined."""


def joined(
    target: Corpus,
    task: str,
    protocol: str,
    streams: Mapping[Modality, Stream],
    source: Corpus,
    rows: np.ndarray,
    added: Mapping[Modality, Stream],
) -> Corpus:
    """``target`` with ``rows`` (row numbers) of ``source`` in every train split; validation and
    test are the target's own.

    It offers the one ``task`` and ``protocol``, and ``streams`` of the target, each with the stream
    of ``added`` that has its form. The label spaces must be equal. Features are copied.
    """
    n, target_task, source_task = len(target), target.offered[task], source.offered[task]
    known = None
    if target_task.known is not None or source_task.known is not None:
        known = np.concatenate((target_task.is_known(), source_task.is_known(rows)))
    train = np.arange(n, n + len(rows))
    splits = tuple(
        replace(s, train=np.concatenate((s.train, train)))
        for s in target.protocols[protocol].splits
    )
    streams_joined = {stream.name: _joined(stream, added[m], rows) for m, stream in streams.items()}
    return Corpus(
        name=f"{target.name}{JOIN}{source.name}",
        ids=_with_others(target.ids, source, source.ids[rows]),
        videos=_with_others(target.videos, source, source.videos[rows]),
        texts=np.array(
            [*map(str, target.texts), *map(str, source.texts[rows])], dtype=np.dtypes.StringDType()
        ),
        tasks={
            task: replace(
                target_task,
                target=np.concatenate(
                    (target_task.target, source_task.target[rows].astype(target_task.target.dtype))
                ),
                known=known,
                streams=(),
                law=None,
            )
        },
        streams=streams_joined,
        protocols={
            protocol: replace(
                target.protocols[protocol], splits=splits, streams=tuple(streams_joined)
            )
        },
        lexicon=target.lexicon,
        groups={
            name: _with_others(cells, source, source.groups.get(name, source.videos)[rows])
            for name, cells in target.groups.items()
        },
    )


def _with_others(target_part: np.ndarray, source: Corpus, source_rows: np.ndarray) -> np.ndarray:
    """Groups of both: those of ``source`` are others, whatever they are called."""
    return np.array(
        [*target_part.tolist(), *(f"{source.name}:{name}" for name in source_rows.tolist())]
    )


def _joined(stream: Stream, added: Stream, rows: np.ndarray) -> Stream:
    vocab, shift = stream.vocab, len(stream.values)
    if stream.kind in ("strings", "clip"):
        values = np.array(
            [*map(str, stream.values), *map(str, added.values[rows])], dtype=np.dtypes.StringDType()
        )
        start = np.arange(len(values))
    elif stream.kind == "words":
        vocab = tuple(dict.fromkeys((*stream.vocab, *added.vocab)))
        index_of_word = {word: i for i, word in enumerate(vocab)}
        number = np.array([index_of_word[word] for word in added.vocab], dtype=stream.values.dtype)
        values, start = (
            np.concatenate((stream.values, number[added.values])),
            np.concatenate((stream.start, added.start[rows] + shift)),
        )
    else:
        values, start = (
            np.concatenate((stream.values, added.values)),
            np.concatenate((stream.start, added.start[rows] + shift)),
        )
    fitted_on = (
        None
        if stream.fitted_on is None
        else np.concatenate((stream.fitted_on, np.zeros(len(rows), dtype=bool)))
    )
    length = np.concatenate((stream.length, added.length[rows]))
    return Stream(
        stream.name,
        stream.modality,
        stream.kind,
        values,
        start,
        length,
        vocab,
        fitted_on=fitted_on,
        note=stream.note,
    )
