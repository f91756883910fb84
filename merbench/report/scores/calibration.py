"""Calibration: what was predicted against what came true."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from merbench.report.scores.rows.pooled_seeds import Scored
from merbench.results.records.predictions import Predictions


def calibration(
    scored: Mapping[int, Scored], metric: str, groups: int = 10
) -> list[tuple[float, float]]:
    """``(mean prediction, mean target)`` of equally large groups of rows in the order of their
    predictions, over all seeds.

    Of a class or multilabel task: probabilities against how often they came true. Of two tasks at
    once: the one that ``metric`` looks at.
    """
    scored_rows = [s.seen(metric) for s in scored.values()]
    p = np.concatenate([rows.prediction.ravel() for rows in scored_rows])
    y = np.concatenate([_outcomes(rows).ravel() for rows in scored_rows])
    known = ~np.isnan(y)
    p, y = p[known], y[known]
    order = np.argsort(p, kind="stable")
    return [
        (float(p[part].mean()), float(y[part].mean()))
        for part in np.array_split(order, min(groups, len(order)))
    ]


def _outcomes(rows: Predictions) -> np.ndarray:
    classes = np.arange(rows.prediction.shape[-1])
    outcomes: np.ndarray = (
        rows.target[:, None] == classes if rows.target.ndim < rows.prediction.ndim else rows.target
    )
    return outcomes.astype(float)
