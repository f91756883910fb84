"""Differences of ablations from the model that they change."""

from __future__ import annotations

import math
from collections.abc import Sequence

from merbench.report.scores.board.row_pairs import Comparison, RowValues
from merbench.report.scores.rows.differing_settings import flatten
from merbench.report.scores.rows.entries import Entry
from merbench.report.scores.statistics.p_values import adjusted


def ablations(entries: Sequence[Entry], values: RowValues) -> dict[str, Comparison]:
    """Each ablation against the full model whose settings differ least from its own,
    corrected over a model's ablations.
    """
    comparisons: dict[str, Comparison] = {}
    for model in sorted({e.first.spec.model for e in entries if e.ablation}):
        full = [e for e in entries if e.first.spec.model == model and not e.ablation]
        ablated = [e for e in entries if e.first.spec.model == model and e.ablation]
        if not full:
            continue
        bases = [_nearest(full, ablation).name for ablation in ablated]
        tests = [
            values.tests([base, v.name]).of(base, v.name)
            for base, v in zip(bases, ablated, strict=True)
        ]
        together = adjusted([(t.p, t.p_interval) if t else (math.nan, math.nan) for t in tests])
        for v, base, test, p in zip(ablated, bases, tests, together, strict=True):
            corrected = test and test._replace(p_adjusted=float(p))
            comparisons[v.name] = Comparison.of(corrected, base)
    return comparisons


def _nearest(full: Sequence[Entry], ablation: Entry) -> Entry:
    return min(full, key=lambda entry: (_apart(entry, ablation), entry.name))


def _apart(a: Entry, b: Entry) -> int:
    """In how many settings two specs differ."""
    of_a, of_b = (flatten(e.first.spec.model_dump(mode="json")) for e in (a, b))
    return sum(of_a.get(key) != of_b.get(key) for key in of_a.keys() | of_b.keys())
