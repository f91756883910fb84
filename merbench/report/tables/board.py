"""A track's table: models over seeds, floors and the optimum below them, and how far a model is
from each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from merbench.api.material.types import SpaceKind
from merbench.report.scores.statistics import Summary, half_width
from merbench.report.tables.table import Cell, Column, Row, metric_columns
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
    return (Column("seeds", ("seeds",)), *metric_columns(metrics, metrics.headline))


def model_row(name: str, scores: Scores, group: str = "") -> Row:
    """mean ± sd over n seeds."""
    seeds = max((s.n for s in scores.values()), default=0)
    cells: dict[str, Cell | str] = {metric: Cell(s.mean, s.sd, s.n) for metric, s in scores.items()}
    return Row(name, {"seeds": str(seeds), **cells}, group)


def rows(
    models: Mapping[str, Scores], floors: Mapping[str, Scores], optimum: Optimum | None = None
) -> list[Row]:
    """Models as they come, then floors, then what nobody can beat."""
    made = [model_row(name, scores) for name, scores in models.items()]
    made += [model_row(name, scores, "floors") for name, scores in floors.items()]
    for given, scored in optimum.scored.items() if optimum else ():
        made.append(
            Row(
                given,
                {metric: Cell(value) for metric, value in scored.items()},
                "best possible, given",
            )
        )
    return made


def notes(kind: SpaceKind, scores: Scores, test_rows: int) -> list[str]:
    """How much chance there is in one score on so many rows."""
    name = "acc2_non0" if kind == "score" else "accuracy"
    if kind == "multilabel" or name not in scores or math.isnan(scores[name].mean):
        return []
    width = half_width(scores[name].mean, test_rows)
    return [
        (
            f"{test_rows} test rows: one seed's {'Acc-2' if kind == 'score' else 'accuracy'} is "
            f"known to ± {100 * width:.1f} points (95 %)"
        )
    ]


def distances(
    metrics: TaskMetrics, mine: Scores, floors: Mapping[str, Scores], optimum: Optimum | None
) -> list[str]:
    """Sentences: the ranking metric against each floor, and the share of the way to the optimum."""
    metric = metrics.ranking
    if metric not in mine:
        return []
    value, higher = mine[metric].mean, metrics[metric].higher_is_better
    against = []
    for name, scores in floors.items():
        if metric in scores:
            gap = (value - scores[metric].mean) * (1 if higher else -1)
            against.append(f"{abs(gap):.3f} {'better' if gap > 0 else 'worse'} than {name}")
    lines = [f"{metric}: {', '.join(against)}"] if against else []
    if optimum and metric in optimum.scored[optimum.best]:
        best = optimum.scored[optimum.best][metric]
        ways = []
        for start in optimum.scored:
            span = optimum.scored[start][metric] - best
            if start != optimum.best and abs(span) > 0.05:
                ways.append(
                    f"{100 * (optimum.scored[start][metric] - value) / span:.0f} % of the way from "
                    f"{start} to {optimum.best}"
                )
        lines.append(f"{metric}: {'; '.join(ways)} (best possible predictors)")
    return lines
