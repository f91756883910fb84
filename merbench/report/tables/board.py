"""A track's table: models over seeds, floors and the optimum below them, and how far a model is
from each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merbench.api.declarations.metrics import MetricFacts
from merbench.api.material.types import SpaceKind
from merbench.report.scores.rows.pooled_seeds import RowCounts
from merbench.report.scores.statistics.means import Summary, half_width
from merbench.report.tables.numbers import size
from merbench.report.tables.table import (
    FLOORS,
    LEAVES_METRIC,
    Cell,
    Column,
    Row,
    floors_among,
    metric_columns,
)
from merbench.results.metrics import TaskMetrics

Scores = Mapping[str, Summary]


@dataclass(frozen=True)
class Optimum:
    """Scores of the best possible predictor on the same test rows, by what it is given
    (``nothing``, ``text``, ...).
    """

    scored: Mapping[str, Mapping[str, float]]
    best: str
    """The key of all modalities."""


def columns(metrics: TaskMetrics) -> tuple[Column, ...]:
    """Seeds, then the headline metrics."""
    seeds = Column("seeds", ("seeds",), leaves=LEAVES_METRIC)
    return (seeds, *metric_columns(metrics, metrics.headline, metrics.ranking))


def model_row(name: str, scores: Scores, group: str = "") -> Row:
    """mean ± sd over n seeds."""
    seeds = max((s.n for s in scores.values()), default=0)
    cells: dict[str, Cell | str] = {metric: Cell(s.mean, s.sd, s.n) for metric, s in scores.items()}
    return Row(name, {"seeds": str(seeds), **cells}, group)


def rows(
    models: Mapping[str, Scores],
    floors: Mapping[str, Scores],
    metric: MetricFacts,
    optimum: Optimum | None = None,
) -> list[Row]:
    """Models and floors from best to worst by ``metric``, then what nobody can beat."""
    scored = [model_row(name, scores) for name, scores in models.items()]
    scored += [model_row(name, scores, FLOORS) for name, scores in floors.items()]
    best_possible = [
        Row(given, {m: Cell(value) for m, value in values.items()}, "best possible, given")
        for given, values in (optimum.scored if optimum else {}).items()
    ]
    return [*floors_among(scored, metric), *best_possible]


def notes(kind: SpaceKind, scores: Scores, counts: RowCounts) -> list[str]:
    """How much chance there is in one score on so many rows."""
    name = "acc2_non0" if kind == "score" else "accuracy"
    if kind == "multilabel" or name not in scores or math.isnan(scores[name].mean):
        return []
    rows = counts.nonzero if kind == "score" else counts.test
    width = f"known to ± {100 * half_width(scores[name].mean, rows):.1f} points (95 %)"
    if kind != "score":
        return [f"{counts.test} test rows: one seed's accuracy is {width}"]
    zeros = "" if rows == counts.test else f", {rows} of them not 0"
    return [f"{counts.test} test rows{zeros}: one seed's Acc-2 non0 is {width}"]


def distances(
    metrics: TaskMetrics, summary: Scores, floors: Mapping[str, Scores], optimum: Optimum | None
) -> list[str]:
    """Sentences: the ranking metric against each floor, and the share of the way to the optimum."""
    metric = metrics.ranking
    if metric not in summary:
        return []
    value, sign = summary[metric].mean, 1 if metrics[metric].higher_is_better else -1
    against = [
        _apart(sign * (value - scores[metric].mean), name, metrics[metric])
        for name, scores in floors.items()
        if metric in scores
    ]
    title = metrics[metric].title
    lines = [f"{title} {_and(against)}"] if against else []
    if optimum and metric in optimum.scored[optimum.best]:
        lines += [f"{title} {way}" for way in _ways(optimum, metrics[metric], value, sign)]
    return lines


def _and(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    *before, last = parts
    return f"{', '.join(before)} and {last}" if before else last


def _apart(gap: float, name: str, metric: MetricFacts) -> str:
    """In the unit of the table: ``0.043 better than ridge``, ``5.2 points worse than ridge``."""
    if not gap:
        return f"equal to that of {name}"
    points = " points" if metric.scale == 100 else ""
    return f"{size(gap, metric)}{points} {'better' if gap > 0 else 'worse'} than {name}"


def _ways(optimum: Optimum, facts: MetricFacts, value: float, sign: int) -> list[str]:
    """From the best predictors of less to that of all modalities; who is worse than the best of
    less has not set out.
    """
    metric, best = facts.name, optimum.scored[optimum.best][facts.name]
    ways = []
    for start, scores in optimum.scored.items():
        span = sign * (best - scores[metric])
        if start == optimum.best or abs(span) <= 0.05:
            continue
        gained = sign * (value - scores[metric])
        if gained < 0:
            ways.append(_apart(gained, f"the best possible given {start}", facts))
        else:
            ways.append(
                f"{100 * gained / span:.0f} % of the way from the best possible given {start} "
                f"to the best possible given {optimum.best}"
            )
    return ways
