"""Records -> one row a model: a seed's test predictions are pooled over its folds before any
metric, and n counts seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any, Protocol

import numpy as np

from merbench.api.types import LabelSpace
from merbench.report.scores.statistics import Summary, summarise
from merbench.results.metrics import RANK_METRICS, evaluate, of_score
from merbench.results.record import Record
from merbench.results.store import Predictions


def space_of(record: Record) -> LabelSpace:
    """The label space that metrics need: kind, words and parts (anchors only as a placeholder)."""
    return _space(record.space)


def _space(told: Mapping[str, Any]) -> LabelSpace:
    words = tuple(told["words"])
    anchors = tuple(float(i) for i in range(len(words))) if told["kind"] == "score" else None
    return LabelSpace(
        told["kind"], words, words, anchors, tuple(_space(part) for part in told.get("parts", ()))
    )


@dataclass(frozen=True)
class Scored:
    """One seed: its pooled test rows and their metrics. ``cuts`` [N, C]: thresholds of labels.
    ``joint``: rows of two tasks at once.
    """

    rows: Predictions
    metrics: Mapping[str, float | None]
    cuts: np.ndarray | None = None
    joint: bool = False

    def seen(self, metric: str) -> Predictions:
        """The rows that ``metric`` looks at: of a joint task the columns of the metric's own part,
        where a score is known.
        """
        if not self.joint:
            return self.rows
        y, p = self.rows.target, self.rows.prediction
        if not of_score(metric):
            return replace(self.rows, target=y[:, 1:], prediction=p[:, 1:])
        known = ~np.isnan(y[:, 0])
        ids, videos = (list(compress(names, known)) for names in (self.rows.ids, self.rows.videos))
        return Predictions(ids, videos, y[known, 0], p[known, 0])

    def taken(self, metric: str) -> np.ndarray:
        """Predictions of ``seen`` as the bootstrap takes them: decisions, where the metric is one
        of decisions.
        """
        made = self.seen(metric).prediction
        decides = (
            self.cuts is not None
            and metric not in RANK_METRICS
            and not (self.joint and of_score(metric))
        )
        return made >= self.cuts if decides else made


class Made(Protocol):
    """Where a run's predictions stand: a store, or predictions made anew under another condition."""

    def predictions(self, run_id: str) -> Predictions: ...


def by_seed(records: Sequence[Record], store: Made) -> dict[int, Scored]:
    """Seed -> its score. A seed that lacks a fold which others have, or any run of which failed, is
    left out.
    """
    done = [r for r in records if r.status == "done"]
    folds = {r.fold for r in records}
    scored = {}
    for seed in sorted({r.seed for r in done}):
        mine = sorted(
            (r for r in done if r.seed == seed), key=lambda r: -1 if r.fold is None else r.fold
        )
        if {r.fold for r in mine} != folds:
            continue
        made = [store.predictions(r.run_id) for r in mine]
        rows = Predictions(
            [i for p in made for i in p.ids],
            [v for p in made for v in p.videos],
            np.concatenate([p.target for p in made]),
            np.concatenate([p.prediction for p in made]),
        )
        cuts = None
        if mine[0].thresholds is not None:
            cuts = np.concatenate(
                [
                    np.tile(np.array(r.thresholds), (len(p.ids), 1))
                    for r, p in zip(mine, made, strict=True)
                ]
            )
        space = space_of(mine[0])
        metrics: Mapping[str, float | None]
        if len(mine) == 1 and mine[0].metrics:
            metrics = mine[0].metrics.test
        else:
            metrics = evaluate(
                space,
                rows.target,
                rows.prediction,
                cuts,
                ~np.isnan(rows.target) if rows.target.ndim > 1 else None,
            )
        scored[seed] = Scored(rows, metrics, cuts, bool(space.parts))
    return scored


def summary(scored: Mapping[int, Scored]) -> dict[str, Summary]:
    """Metric -> mean, sd and n over seeds; a metric that is undefined for a seed does not count
    that seed.
    """
    names = dict.fromkeys(name for s in scored.values() for name in s.metrics)
    values = {
        name: [v for s in scored.values() if (v := s.metrics.get(name)) is not None]
        for name in names
    }
    return {name: summarise(v) for name, v in values.items() if v}


def group(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Records by what makes a row of a table: equal track, spec and source of the components."""
    rows: dict[str, list[Record]] = {}
    for record in records:
        key = f"{record.track.model_dump_json()}|{record.spec.model_dump_json()}|{record.source_digest}"
        rows.setdefault(key, []).append(record)
    return rows
