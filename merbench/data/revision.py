"""The content hash of what a run reads of a data set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api.material.corpus import Corpus
from merbench.api.material.labels import usual_glosses
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
