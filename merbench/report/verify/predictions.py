"""Predictions are of exactly the test rows, and give the recorded metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from merbench.api.errors import RequestError
from merbench.report.folder.folder import Folder, fold_name
from merbench.report.verify.numbers import SCORED, close
from merbench.report.verify.truth import Truth
from merbench.results.metrics import TaskMetrics
from merbench.results.records.record import Record

AT_ONCE = 2**20
"""Numbers of the predictions whose metrics are computed by one call, which costs more than the rows
of one run do; of more it costs memory alone.
"""


def against_predictions(records: Iterable[Record], folder: Folder, truth: Truth) -> dict[str, str]:
    """Run id -> what does not hold of its predictions, for each finished run of which anything
    does not.
    """
    by_fold: dict[int | None, list[Record]] = {}
    for record in records:
        if record.status == "done":
            by_fold.setdefault(record.fold, []).append(record)
    return {
        run_id: sentence
        for fold, of_fold in by_fold.items()
        for run_id, sentence in _of_fold(fold, of_fold, folder, truth)
    }


def _of_fold(
    fold: int | None, records: Sequence[Record], folder: Folder, truth: Truth
) -> Iterator[tuple[str, str]]:
    known_fold = fold in truth.splits
    rows = truth.rows(fold, "test") if known_fold else np.empty(0, dtype=int)
    fits = list(folder.ids.get(fold_name(records[0]), ())) == truth.corpus.ids[rows].tolist()
    alike: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        predicted = folder.predicted.get(record.run_id)
        if predicted is None:
            yield record.run_id, "it has no predictions"
        elif known_fold and fits and len(predicted) == len(rows):
            recorded = record.metrics.test if record.metrics else {}
            key = record.space.model_dump_json(), predicted.shape, *recorded
            alike.setdefault(key, []).append(record)
        elif known_fold:
            counts = f"{len(predicted)} rows, and the test split has {len(rows)}"
            yield record.run_id, f"it has predictions of {counts}; or their ids differ"
    for group in alike.values():
        step = max(1, AT_ONCE // max(1, folder.predicted[group[0].run_id].size))
        for start in range(0, len(group), step):
            yield from _wrong_metrics(group[start : start + step], rows, folder, truth)


def _wrong_metrics(
    records: Sequence[Record], rows: np.ndarray, folder: Folder, truth: Truth
) -> Iterator[tuple[str, str]]:
    """``records`` have the same metrics. Metrics that came later, and those of plugins that are not
    here, are not compared.
    """
    first = records[0]
    metrics = truth.registry.of(first.space.label_space(), every_span=True)
    names = [name for name in (first.metrics.test if first.metrics else {}) if name in metrics]
    try:
        computed = _computed(metrics, names, records, rows, folder, truth)
    except (ValueError, RequestError) as error:
        if len(records) == 1:
            yield first.run_id, str(error)
            return
        for record in records:
            yield from _wrong_metrics([record], rows, folder, truth)
        return
    for record, values in zip(records, computed, strict=True):
        recorded: Mapping[str, Any] = record.metrics.test if record.metrics else {}
        wrong = [name for name in names if not close(recorded[name], values[name], SCORED)]
        if not names:
            sentence = "its record has no metric that can be computed from its predictions"
            yield record.run_id, sentence
        elif wrong:
            name = min(wrong)
            gives = f"its predictions give {name} = {values[name]}"
            yield record.run_id, f"{gives}, and its record says {recorded[name]}"


def _computed(
    metrics: TaskMetrics,
    names: Sequence[str],
    records: Sequence[Record],
    rows: np.ndarray,
    folder: Folder,
    truth: Truth,
) -> list[dict[str, float | None]]:
    task = truth.corpus.offered[truth.task]
    target = task.target[rows]
    if target.dtype.kind not in "iu":
        target = target.astype(np.float32)  # as the run scored them: in single precision
    predicted = np.stack([folder.predicted[record.run_id] for record in records])
    cuts = [record.thresholds for record in records]
    return metrics.evaluate_runs(target, predicted, cuts, task.known_cells(rows), names)
