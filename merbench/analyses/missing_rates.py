"""Every metric over the rates at which test rows lack their modalities: one alone, and all of them
at the same rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from merbench.analyses.robust import Case, Point, points, robust, title
from merbench.api import Corpus
from merbench.engine.plan.plan import Plan
from merbench.engine.rows.corrupt import Damage
from merbench.engine.rows.missing import ANY
from merbench.results.records.record import Record
from merbench.results.store.store import Store
from merbench.runs.machine import Machine

RATES = tuple(round(0.1 * step, 1) for step in range(10))
"""0 to .9, as in the field's tables."""
Kind = Literal["drop", "mask"]


@dataclass(frozen=True)
class RateCurve:
    """One metric of one model. ``missing``: the modality, or ``any``: all that the model reads,
    each independently at the same rate.

    ``area``: the area under the curve divided by the range of rates, in units of the metric.
    ``spread``: of ``any``, the largest minus the smallest area of a single modality; None where
    there is one modality.
    """

    model: str
    missing: str
    metric: str
    points: tuple[Point, ...]
    area: float
    spread: float | None = None


def over_rates(
    plan: Plan,
    corpus: Corpus,
    records: Sequence[Record],
    store: Store,
    machine: Machine,
    kind: Kind = "drop",
    name: str = "",
    rates: Sequence[float] = RATES,
) -> list[RateCurve]:
    """The model on test rows that lack a modality (``drop``) or steps of it (``mask``) at each of
    ``rates``; rate 0 is the stored predictions. Of a damage that does not fit a stream there is no
    curve, and none of a model that reads nothing.

    A higher rate takes away what a lower one does, and the same for every model of one seed.
    """
    if not plan.streams:
        return []
    sources = {m: (m,) for m in plan.streams} | {ANY: tuple(plan.streams)}
    harmed = [rate for rate in rates if rate > 0]
    cases: dict[str, list[Case]] = {
        missing: [tuple(Damage(m, kind, rate) for m in lost) for rate in harmed]
        for missing, lost in sources.items()
    }
    case_by_title = {title(case): case for group in cases.values() for case in group}
    base, *lines = robust(plan, corpus, records, store, machine, list(case_by_title.values()))
    by_title = dict(zip(case_by_title, lines, strict=True))
    curves = []
    for metric in plan.metrics.headline:
        areas: dict[str, float] = {}
        of_metric = []
        for missing, group in cases.items():
            scored = {0.0: base} if 0 in rates else {}
            scored |= {rate: by_title[title(c)] for rate, c in zip(harmed, group, strict=True)}
            curve = tuple(points(scored, metric))
            if len(curve) == len(scored) > 1:
                areas[missing] = area(curve)
                of_metric.append(RateCurve(name, missing, metric, curve, areas[missing]))
        curves += [_with_spread(of_missing, areas) for of_missing in of_metric]
    return curves


def area(points: Sequence[Point]) -> float:
    """The trapezoidal area under the means, over the range of strengths."""
    strength, mean = (np.array([getattr(p, x) for p in points]) for x in ("strength", "mean"))
    return float(np.trapezoid(mean, strength) / (strength[-1] - strength[0]))


def panels(
    curves: Sequence[RateCurve], metric: str, kind: Kind
) -> dict[str, dict[str, Sequence[Point]]]:
    """``audio=drop`` -> model -> its curve of this metric."""
    by_panel: dict[str, dict[str, Sequence[Point]]] = {}
    for curve in curves:
        if curve.metric == metric:
            by_panel.setdefault(f"{curve.missing}={kind}", {})[curve.model] = curve.points
    return by_panel


def _with_spread(curve: RateCurve, areas: Mapping[str, float]) -> RateCurve:
    single = [value for missing, value in areas.items() if missing != ANY]
    if curve.missing != ANY or len(single) < 2:
        return curve
    spread = max(single) - min(single)
    return RateCurve(curve.model, ANY, curve.metric, curve.points, curve.area, spread)
