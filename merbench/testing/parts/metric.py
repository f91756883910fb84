"""The check of metrics."""

from __future__ import annotations

import numpy as np

from merbench.api import MetricDef
from merbench.results.metrics import TaskMetrics
from merbench.testing import tiny


def makes_a_number(definition: MetricDef) -> None:
    """It makes a number of every kind of task that it is for."""
    for kind in definition.kinds:
        task = next(iter(tiny.corpus(kind).tasks.values()))
        draw, rows = np.random.default_rng(0), len(task.target)
        shares = draw.random((rows, len(task.space.words)))
        p = draw.normal(size=rows) if kind == "score" else shares
        values = TaskMetrics(task.space, [definition]).evaluate(task.target, p, known=task.known)
        assert values[definition.name] is not None, f"it is undefined for random rows of a {kind}"
