"""Predictions are of exactly the test rows, and give the recorded metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from merbench.api.errors import RequestError
from merbench.report.folder.folder import Folder, fold_name
from merbench.report.verify.numbers import SCORED, close
from merbench.report.verify.truth import Truth
from merbench.results.records.record import Record


def against_predictions(record: Record, folder: Folder, truth: Truth) -> Iterator[str]:
    predicted = folder.predicted.get(record.run_id)
    if predicted is None:
        yield "it has no predictions"
        return
    if record.fold not in truth.splits:
        return
    rows = truth.rows(record.fold, "test")
    ids = list(folder.ids.get(fold_name(record), ()))
    if len(predicted) != len(rows) or ids != truth.corpus.ids[rows].tolist():
        yield (
            f"it has predictions of {len(predicted)} rows, and the test split has {len(rows)}; "
            "or their ids differ"
        )
        return
    yield from _metrics(record, predicted, rows, truth)


def _metrics(
    record: Record, predicted: np.ndarray, rows: np.ndarray, truth: Truth
) -> Iterator[str]:
    """Metrics that came later, and those of plugins that are not here, are not compared."""
    task = truth.corpus.offered[truth.task]
    target = task.target[rows]
    if target.dtype.kind not in "iu":
        target = target.astype(np.float32)  # as the run scored them: in single precision
    known = task.known_cells(rows)
    recorded: Mapping[str, Any] = record.metrics.test if record.metrics else {}
    metrics = truth.registry.of(record.space.label_space(), every_span=True)
    names = [name for name in recorded if name in metrics]
    try:
        computed = metrics.evaluate(target, predicted, record.thresholds, known, names)
    except (ValueError, RequestError) as error:
        yield str(error)
        return
    if not names:
        yield "its record has no metric that can be computed from its predictions"
    if wrong := [n for n in names if not close(recorded[n], computed[n], SCORED)]:
        name = min(wrong)
        yield (
            f"its predictions give {name} = {computed[name]}, and its record says {recorded[name]}"
        )
