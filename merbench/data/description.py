"""A data set as plain values: what ``merbench data show`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from merbench.api.material.corpus import Corpus, Protocol, Stream, Task
from merbench.data.labels.best_possible import Best, best_scores, subsets
from merbench.data.labels.histogram import histogram

SHOWN = 0.3
"""Share of the labels of a train row that is shown where the others are to be guessed."""


def describe(corpus: Corpus) -> dict[str, Any]:
    """Rows, videos, tasks, streams, protocols, and the best possible scores of a known law."""
    everyone = np.arange(len(corpus))
    tasks = {name: _task(task, everyone) for name, task in corpus.offered.items()}
    laws = [name for name, task in corpus.tasks.items() if task.law is not None]
    return {
        "name": corpus.name,
        "rows": len(corpus),
        "videos": len(np.unique(corpus.videos)),
        "groups": {name: len(np.unique(group)) for name, group in corpus.groups.items()},
        "tasks": tasks,
        "streams": [_stream(stream) for stream in corpus.streams.values()],
        "protocols": {name: _protocol(protocol) for name, protocol in corpus.protocols.items()},
        "best_possible": {name: list(_best_possible(corpus, name)) for name in laws},
        "notes": list(corpus.notes),
    }


def _task(task: Task, rows: np.ndarray) -> dict[str, Any]:
    """``labels``: of a task that is one part alone."""
    described: dict[str, Any] = {
        "kind": task.space.kind,
        "words": list(task.space.words),
        "streams": list(task.streams),
    }
    if not task.space.parts:
        described["labels"] = asdict(histogram(task, rows))
    return described


def _stream(stream: Stream) -> dict[str, Any]:
    present = stream.length > 0
    lengths = stream.length[present]
    return {
        "name": stream.name,
        "modality": stream.modality,
        "kind": stream.kind,
        "width": stream.spec.width,
        "steps_median": float(np.median(lengths)) if len(lengths) else 0.0,
        "steps_max": int(lengths.max()) if len(lengths) else 0,
        "missing": int((~present).sum()),
        "fitted_on_labels_of": int(stream.fitted_on.sum()) if stream.fitted_on is not None else 0,
        "note": stream.note,
    }


def _protocol(protocol: Protocol) -> dict[str, Any]:
    sizes = [
        {
            "fold": split.fold,
            "train": len(split.train),
            "valid": len(split.valid),
            "test": len(split.test),
        }
        for split in protocol.splits
    ]
    return {"splits": sizes, "streams": list(protocol.streams), "group": protocol.group}


def _best_possible(corpus: Corpus, task_name: str) -> Iterator[dict[str, Any]]:
    """The Bayes predictor on the test rows, for every set of modalities; of labels also the one
    that reads them one by one, and how well hidden labels of train rows can be guessed.
    """
    task, split = corpus.tasks[task_name], corpus.protocols["standard"].splits[0]
    names = corpus.default_streams(task_name, "standard")
    modalities = [corpus.streams[name].modality for name in names]
    labels = task.space.kind == "multilabel"
    readings = (True, False) if labels else (True,)
    for known in ((), *subsets(modalities)):
        for together in readings if known else (True,):
            best = best_scores(corpus, task_name, split.test, known, co_occurrence=together)
            yield _line("test labels", known, together, best)
    if labels:
        chance = np.random.default_rng(0).random((len(split.train), len(task.space.words)))
        for known in ((), tuple(modalities)):
            for together in readings:
                best = best_scores(
                    corpus,
                    task_name,
                    split.train,
                    known,
                    co_occurrence=together,
                    shown=chance < SHOWN,
                )
                yield _line(f"train labels, {SHOWN:.0%} of them shown", known, together, best)


def _line(
    subject: str, known: tuple[str, ...], together: bool, best: dict[str, Best]
) -> dict[str, Any]:
    scores = {metric: asdict(value) for metric, value in best.items()}
    return {"of": subject, "modalities": list(known), "co_occurrence": together, "scores": scores}
