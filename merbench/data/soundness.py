"""What a data set in memory must be. One that a plugin makes is held to it where it is opened: no
run would notice that a row stands in two splits, say.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from merbench.api.material.corpus import Corpus, Protocol, Stream, Task
from merbench.api.material.types import LabelSpace


def faults(corpus: Corpus) -> Iterator[str]:
    """What is wrong with it, each in a clause; nothing where it is sound."""
    size = len(corpus)
    if len(set(corpus.ids.tolist())) < size:
        yield "its ids are not unique"
    for name, cells in {"videos": corpus.videos, "texts": corpus.texts, **corpus.groups}.items():
        if len(cells) != size:
            yield f"it has {size} ids and {len(cells)} {name}"
    for name, task in corpus.tasks.items():
        yield from (f"task {name}: {fault}" for fault in _of_task(task, size))
    for name, stream in corpus.streams.items():
        yield from (f"stream {name}: {fault}" for fault in _of_stream(stream, size))
    for name, protocol in corpus.protocols.items():
        yield from (f"protocol {name}: {fault}" for fault in _of_protocol(protocol, corpus))


def _of_task(task: Task, size: int) -> Iterator[str]:
    space = task.space
    *_, labels = space.tasks
    columns = {"multilabel": (len(labels.words),), "joint": (1 + len(labels.words),)}
    shape = (size, *columns.get(space.kind, ()))
    for name, array in (("targets", task.target), ("known", task.known)):
        if array is not None and array.shape != shape:
            yield f"{name} of shape {list(array.shape)}, not {list(shape)}"
            return
    if space.kind == "class" and task.target.dtype.kind not in "iu":
        yield f"targets are {task.target.dtype}, not whole numbers"
    parts = map(space.split_targets, (task.target, task.is_known()))
    for part, target, known in zip(space.tasks, *parts, strict=True):
        yield from _of_targets(part, target[known])


def _of_targets(space: LabelSpace, known: np.ndarray) -> Iterator[str]:
    """``known`` [n]: those targets, or cells of them, that are known."""
    fits, belongs = np.isfinite(known), "a finite number"
    if space.kind == "class":
        numbers = np.arange(len(space.words))
        fits, belongs = np.isin(known, numbers), f"a number from 0 to {numbers[-1]}"
    elif space.kind == "multilabel":
        fits, belongs = np.isin(known, (0, 1)), "0 or 1"
    if not fits.all():
        yield f"a known target is {known[~fits][0]}, not {belongs}"


def _of_stream(stream: Stream, size: int) -> Iterator[str]:
    if not len(stream.start) == len(stream.length) == size:
        yield f"start and length of {len(stream.start)} and {len(stream.length)} rows, not {size}"
        return
    present = stream.length > 0
    end = stream.start + stream.length
    within = (stream.start >= 0) & (end <= len(stream.values))
    if (stream.length < 0).any() or not within[present].all():
        yield "it points beyond its values"
    if stream.fitted_on is not None and stream.fitted_on.shape != (size,):
        yield f"fitted_on of shape {list(stream.fitted_on.shape)}, not [{size}]"
    if stream.kind == "words":
        yield from _of_words(stream)


def _of_words(stream: Stream) -> Iterator[str]:
    """A number below 0 would be taken for a word counted from the end."""
    outside = (stream.values < 0) | (stream.values >= len(stream.vocab))
    if outside.any():
        yield f"a word is {stream.values[outside][0]}, not a number below {len(stream.vocab)}"
    if stream.times is not None and stream.times.shape != (len(stream.values), 2):
        yield f"times of shape {list(stream.times.shape)}, not [{len(stream.values)}, 2]"


def _of_protocol(protocol: Protocol, corpus: Corpus) -> Iterator[str]:
    if absent := [name for name in protocol.streams if name not in corpus.streams]:
        yield f"it offers a stream {absent[0]}, which is not there"
    for split in protocol.splits:
        rows = np.concatenate([split.train, split.valid, split.test])
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(corpus):
            yield f"its rows are not from 0 to {len(corpus) - 1}"
        elif len(np.unique(rows)) < len(rows):
            yield "a row stands in two splits, or twice in one"
