"""Folds of a seed become one: what intervals resample are the same rows, read in the same way."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from merbench.report.scores.board.row_pairs import values_of
from merbench.report.scores.rows.pooled_seeds import by_seed
from merbench.report.scores.statistics.intervals import resampler_of
from merbench.results.metrics import BUILT_IN
from merbench.results.records.predictions import Predictions
from merbench.testing.tiny import SPACES
from tests.report.made import record, spec

CUTS = ([0.3] * 6, [0.6, 0.3, 0.6, 0.3, 0.6, 0.3])
"""Thresholds of two folds; predictions in tenths lie on them too."""


def targets(kind, draw, n=15):
    score, labels = np.round(draw.uniform(-3, 3, n)), (draw.random((n, 6)) < 0.4).astype(float)
    labels[::4, 0] = np.nan
    both = np.column_stack([np.where(np.arange(n) % 3, score, np.nan), labels])
    numbers = draw.integers(0, 6, n)
    return {"score": score, "class": numbers, "multilabel": labels, "joint": both}[kind]


@pytest.mark.parametrize("kind", SPACES)
def test_a_seed_is_scored_on_all_folds_and_resamples_begin_with_the_rows_as_they_are(kind):
    draw, task = np.random.default_rng(0), BUILT_IN.of(SPACES[kind])
    y = [targets(kind, draw) for _ in CUTS]
    records, stored = [], {}
    for seed in range(2):
        for fold, cuts in enumerate(CUTS):
            width = (6,) if kind == "class" else y[fold].shape[1:]
            p = np.round(draw.random((len(y[fold]), *width)), 1)
            thresholds = cuts if kind in ("multilabel", "joint") else None
            run, _ = record(seed, 0.5, spec(), fold, folds=2, thresholds=thresholds)
            names = [f"v{i % 5}_{fold}" for i in range(len(p))]
            records.append(run)
            stored[run.run_id] = Predictions(names, names, y[fold], p)
    scored = by_seed(records, SimpleNamespace(predictions=stored.__getitem__), task)
    cuts = np.repeat(CUTS, len(y[0]), axis=0) if thresholds else None
    for s in scored.values():
        known = None if s.rows.target.ndim == 1 else ~np.isnan(s.rows.target)
        whole = task.evaluate(np.concatenate(y), s.rows.prediction, cuts, known)
        assert s.metrics == whole and len(s.rows.ids) == 30
    for metric in task:
        on_videos = resampler_of(tuple(scored[0].seen(metric).videos), resamples=1)
        unsampled = values_of(scored, metric, on_videos)[0]
        assert unsampled == pytest.approx([s.metrics[metric] for s in scored.values()]), metric
