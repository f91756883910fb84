"""Records -> one row a model: a seed's test predictions are pooled over its folds before any
metric, and n counts seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Protocol

import numpy as np

from merbench.report.scores.statistics.means import Summary, over_seeds
from merbench.results.metrics import BUILT_IN, TaskMetrics
from merbench.results.records.predictions import Predictions
from merbench.results.records.record import Record


@dataclass(frozen=True)
class Scored:
    """One seed: its pooled test rows and their metrics. ``cuts`` [N, C]: thresholds of labels.
    ``task``: what its metrics are.
    """

    rows: Predictions
    metrics: Mapping[str, float | None]
    task: TaskMetrics
    cuts: np.ndarray | None = None

    def seen(self, metric: str) -> Predictions:
        """The rows that ``metric`` looks at: of a joint task the columns of the metric's own part,
        where a score is known.
        """
        if not self.task.space.parts:
            return self.rows
        y, p = self.rows.target, self.rows.prediction
        if not self.task.of_score(metric):
            return replace(self.rows, target=y[:, 1:], prediction=p[:, 1:])
        known = ~np.isnan(y[:, 0])
        ids, videos = (list(compress(names, known)) for names in (self.rows.ids, self.rows.videos))
        return Predictions(ids, videos, y[known, 0], p[known, 0])

    def read_by(self, metric: str) -> np.ndarray:
        """Predictions of ``seen`` as the formula takes them: decisions if it is one of those."""
        predictions = self.seen(metric).prediction
        definition = self.task[metric]
        decides = "multilabel" in definition.kinds and definition.reads == "decisions"
        return predictions >= self.cuts if decides and self.cuts is not None else predictions


class HasPredictions(Protocol):
    """Where a run's predictions stand: a store, or predictions made under another condition."""

    def predictions(self, run_id: str) -> Predictions: ...


@dataclass(frozen=True)
class RowCounts:
    """``test``: test rows. ``nonzero``: of those the ones whose score is not 0, which are all that
    the Acc-2 without zeros looks at.
    """

    test: int
    nonzero: int


def row_counts(scored: Mapping[int, Scored]) -> RowCounts:
    """Of any one seed: all have the same test rows."""
    target = next(iter(scored.values())).rows.target
    return RowCounts(
        len(target), int(np.count_nonzero(target)) if target.ndim == 1 else len(target)
    )


def by_seed(
    records: Sequence[Record],
    store: HasPredictions,
    metrics: TaskMetrics | None = None,
    folds: int = 0,
    names: Sequence[str] | None = None,
) -> dict[int, Scored]:
    """Seed -> its score, from predictions, as ``whole_seeds`` has them. ``metrics``: those of the
    records' task; None = merbench's own. ``names``: only these are computed.
    """
    pooled = {
        seed: _pooled(runs, [store.predictions(r.run_id) for r in runs])
        for seed, runs in whole_seeds(records, folds).items()
    }
    if not pooled:
        return {}
    task = metrics or BUILT_IN.of(records[0].space.label_space())
    values = _evaluated(list(pooled.values()), task, names)
    return {
        seed: Scored(rows, of_seed, task, cuts)
        for (seed, (rows, cuts)), of_seed in zip(pooled.items(), values, strict=True)
    }


def whole_seeds(records: Sequence[Record], folds: int = 0) -> dict[int, list[Record]]:
    """Seed -> its runs, by fold. A seed that lacks a fold or has one twice, or any run of which
    failed, is left out.
    ``folds``: how many the protocol has, where records may be too old to have it.
    """
    folds = max(folds, fold_count(records))
    runs_by_seed: dict[int, list[Record]] = {}
    for record in records:
        if record.status == "done":
            runs_by_seed.setdefault(record.seed, []).append(record)
    return {
        seed: sorted(runs, key=lambda r: -1 if r.fold is None else r.fold)
        for seed, runs in sorted(runs_by_seed.items())
        if len(runs) == len({r.fold for r in runs}) == folds
    }


def fold_count(records: Iterable[Record]) -> int:
    """How many folds their protocol has, as far as these records tell."""
    return max((max(r.folds, (r.fold or 0) + 1) for r in records), default=0)


_Pooled = tuple[Predictions, np.ndarray | None]
"""A seed's rows, and the thresholds of labels on each of them."""


def _pooled(runs: Sequence[Record], predictions: Sequence[Predictions]) -> _Pooled:
    """A seed's folds, as one."""
    rows = predictions[0]
    if len(predictions) > 1:
        rows = Predictions(
            [i for p in predictions for i in p.ids],
            [v for p in predictions for v in p.videos],
            np.concatenate([p.target for p in predictions]),
            np.concatenate([p.prediction for p in predictions]),
        )
    cuts = None
    if runs[0].thresholds is not None:
        of_fold = [
            np.tile(np.array(r.thresholds), (len(p.ids), 1))
            for r, p in zip(runs, predictions, strict=True)
        ]
        cuts = np.concatenate(of_fold)
    return rows, cuts


def _evaluated(
    seeds: Sequence[_Pooled], task: TaskMetrics, names: Sequence[str] | None
) -> list[dict[str, float | None]]:
    """The metrics of each seed: computed at once where all have the same targets."""
    first = seeds[0][0]
    target, shape = first.target, first.prediction.shape
    if any(
        rows.prediction.shape != shape or not np.array_equal(rows.target, target, equal_nan=True)
        for rows, _ in seeds
    ):
        return [value for seed in seeds for value in _evaluated([seed], task, names)]
    known = ~np.isnan(target) if target.ndim > 1 else None
    predictions = np.stack([rows.prediction for rows, _ in seeds])
    return task.evaluate_runs(target, predictions, [cuts for _, cuts in seeds], known, names)


def summary(scored: Mapping[int, Scored]) -> dict[str, Summary]:
    """Metric -> mean, sd and n over seeds; a metric that is undefined for a seed does not count
    that seed.
    """
    return over_seeds(s.metrics for s in scored.values())


def group(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Records by what makes a row of a table: equal track, spec, data that were read and source of
    the components. A track has ids, labels and splits alone: its streams may be extracted anew.
    """
    rows: dict[str, list[Record]] = {}
    for record in records:
        track, spec = record.track.model_dump_json(), record.spec.model_dump_json()
        key = f"{track}|{spec}|{record.contents.get('data')}|{record.source_digest}"
        rows.setdefault(key, []).append(record)
    return rows
