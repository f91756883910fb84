"""The content hash of what a run reads of a data set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api.material.corpus import Corpus, Stream, Task
from merbench.api.material.label_prompts import usual_glosses
from merbench.data.streams.valid_steps import valid_steps


def revision(corpus: Corpus, task: str, protocol: str, streams: Sequence[str]) -> str:
    """SHA-256 of what a run sees: ids, targets, which are known, the division of the rows, and the
    content of the streams it uses.

    Rows are hashed in the order of their ids, so the order of a file does not matter; nor does the
    numbering of a vocabulary. A clip counts by the size of its file, not by its bytes.

    A data set in memory is hashed once, however many requests ask; not so where it has clips, which
    may change on disk.
    """
    if any(corpus.streams[name].kind == "clip" for name in streams):
        return _computed(corpus, task, protocol, streams)
    key = (task, protocol, *sorted(streams))
    if key not in corpus.known_revisions:
        corpus.known_revisions[key] = _computed(corpus, task, protocol, streams)
    return corpus.known_revisions[key]


def _computed(corpus: Corpus, task: str, protocol: str, streams: Sequence[str]) -> str:
    order = np.argsort(corpus.ids)
    content = _Content()
    content.add(task)
    _add_task(content, corpus, corpus.offered[task], order)
    for split in corpus.protocols[protocol].splits:
        parts = (split.train, split.valid, split.test)
        content.add(split.fold, *(sorted(corpus.ids[rows].tolist()) for rows in parts))
    for name in sorted(streams):
        _add_stream(content, corpus.streams[name], order)
    return content.hexdigest()


class _Content:
    """A SHA-256 over arrays and plain values, in the order in which they are added."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, *items: Any) -> None:
        for item in items:
            if isinstance(item, np.ndarray):
                self._digest.update(f"{item.dtype.str}{item.shape}".encode())
                self.add_values(item)
            else:
                self._digest.update(json.dumps(item).encode())

    def add_values(self, values: np.ndarray) -> None:
        """Without their type and shape."""
        self._digest.update(np.ascontiguousarray(values).data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _add_task(content: _Content, corpus: Corpus, task: Task, order: np.ndarray) -> None:
    """Labels, ids and targets."""
    space = task.space
    content.add(space.kind, space.words, space.anchors)
    content.add(*([part.kind, part.words, part.anchors] for part in space.parts))
    for part in space.tasks:  # only where a data set gives its own: older runs keep their ids
        if part.glosses != usual_glosses(part.words):
            content.add(part.glosses)
    content.add(corpus.ids[order].tolist(), task.target[order])
    content.add(None if task.known is None else task.known[order])


def _add_stream(content: _Content, stream: Stream, order: np.ndarray) -> None:
    content.add(stream.name, stream.modality, stream.kind, stream.length[order].astype(np.int64))
    # A run is marked by this, so correcting it makes other runs.
    content.add(None if stream.fitted_on is None else stream.fitted_on[order])
    if stream.sha256:
        content.add(stream.sha256)
        return
    if stream.kind == "words":
        _add_words(content, stream, order)
    elif stream.kind == "strings":
        content.add([str(stream.values[i]) if stream.length[i] else None for i in order])
    elif stream.kind == "clip":
        content.add([_size(stream, i) if stream.length[i] else None for i in order])
    if stream.kind == "features":
        _add_steps(content, stream, order)
    if stream.times is not None:
        _add_steps(content, replace(stream, values=stream.times), order)


def _add_words(content: _Content, stream: Stream, order: np.ndarray) -> None:
    """Whatever the vocabulary calls them, and without the words that no row uses."""
    numbers = np.concatenate([*valid_steps(stream, order)])
    values, index = np.unique(numbers, return_inverse=True)
    spelled = np.array([stream.vocab[i] for i in values], dtype=str)
    words, rank = np.unique(spelled, return_inverse=True)
    content.add(words.tolist(), rank[index])


def _size(stream: Stream, row: int) -> int:
    """Bytes of a row's clip."""
    return Path(str(stream.values[row])).stat().st_size


def _add_steps(content: _Content, stream: Stream, order: np.ndarray) -> None:
    content.add(stream.values.dtype.str, stream.values.shape[1:])
    for block in valid_steps(stream, order):
        content.add_values(block)
