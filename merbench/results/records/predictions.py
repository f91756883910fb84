"""A run's predictions beside the test rows they are of, and the file that keeps them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from merbench.api.material.corpus import Corpus, Task
from merbench.results.records.record import Record
from merbench.results.records.sealed import (
    KEY,
    METADATA,
    RECORD,
    DamagedError,
    check_content,
    parsed_header,
    require_file,
    seal,
)
from merbench.results.spec import canonical


@dataclass(frozen=True)
class Predictions:
    """One run's test rows: ``ids`` and ``videos`` [N], ``target`` and ``prediction`` [N] or [N, C]
    as the metrics take them.

    A cell of a multilabel target that is not known is nan. ``record``: the ``record_key`` of the
    record they were stored with; empty in files from before there were keys.
    """

    ids: Sequence[str]
    videos: Sequence[str]
    target: np.ndarray
    prediction: np.ndarray
    record: str = ""

    @classmethod
    def of(
        cls,
        corpus: Corpus,
        protocol: str,
        task: Task,
        rows: np.ndarray,
        predictions: np.ndarray,
    ) -> Predictions:
        """``predictions`` beside the ids, videos (or what else rows of ``protocol`` belong to) and
        targets of their ``rows`` of ``corpus``.
        """
        target = task.target[rows]
        if task.known is not None and target.ndim > 1:
            target = np.where(task.known[rows], target, np.nan)
        units = corpus.units(protocol)[rows].tolist()
        return cls(corpus.ids[rows].tolist(), units, target, predictions)


def record_key(record: Record) -> str:
    """Tells two trainings of one run apart; ``tuned_by``, which may change later, is not in it."""
    facts = [record.run_id, record.started, record.weights_sha256, record.source_digest]
    return sha256(canonical(facts).encode()).hexdigest()


def check_predictions(record: Record, predictions: Predictions) -> None:
    """ValueError where they are not of the rows that the record counts, or not all finite."""
    if len(predictions.ids) != record.counts.get("test", len(predictions.ids)):
        raise ValueError(
            f"it has predictions of {len(predictions.ids)} rows, and says {record.counts['test']}"
        )
    if not np.isfinite(predictions.prediction).all():
        raise ValueError("its predictions are not all finite")


def same_predictions(a: Predictions, b: Predictions) -> bool:
    """True if they predict the same of the same rows and targets."""
    return (
        list(a.ids) == list(b.ids)
        and np.array_equal(a.target, b.target, equal_nan=True)
        and np.array_equal(a.prediction, b.prediction)
    )


def predictions_file(predictions: Predictions, record: Record) -> bytes:
    """The content of the file, sealed, with the key of the ``record`` they belong to."""
    tensors = {"target": predictions.target, "prediction": predictions.prediction}
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    rows = {
        "ids": json.dumps(list(predictions.ids)),
        "videos": json.dumps(list(predictions.videos)),
        RECORD: record_key(record),
    }
    return seal(lambda metadata: save(contiguous, metadata), rows)


def read_predictions(path: Path) -> Predictions:
    """Raises one of ``store.DAMAGE`` where the file is missing or broken, OSError where it cannot
    be opened.
    """
    require_file(path)
    content = path.read_bytes()
    check_content(content)
    tensors = load(content)
    rows = parsed_header(content[8 : 8 + int.from_bytes(content[:8], "little")])[METADATA]
    if RECORD in rows and KEY not in rows:
        raise DamagedError("its digest is gone")
    target, prediction = tensors["target"], tensors["prediction"]
    ids, videos = _texts(rows["ids"]), _texts(rows["videos"])
    if not len(ids) == len(videos) == len(target) == len(prediction):
        raise ValueError("its arrays have different lengths")
    return Predictions(ids, videos, target, prediction, rows.get(RECORD, ""))


@lru_cache(64)
def _texts(names: str) -> Sequence[str]:
    """Most runs of a store have the same rows. ValueError for what is no list of texts."""
    texts: list[str] = json.loads(names)
    if not all(isinstance(name, str) for name in texts):
        raise ValueError("its ids or videos are no texts")
    return texts
