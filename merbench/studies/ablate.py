"""Ablations: the full model and its variants on the same seeds and rows, as paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from merbench.report.stats import Interval, holm, paired_interval, sign_flip, significant
from merbench.report.summary import Scored
from merbench.results.metrics import METRICS


@dataclass(frozen=True)
class Difference:
    """Variant minus base over seeds and test rows: ``mean``, 95 % interval (bootstrap over seeds and videos), exact paired sign-flip ``p``.

    ``p_holm`` is corrected for the number of variants. ``significant``: the interval leaves out 0 and ``p_holm`` < .05, both.
    """

    mean: float
    low: float
    high: float
    p: float
    p_holm: float = float("nan")

    @property
    def significant(self) -> bool:
        return significant(Interval(self.mean, self.low, self.high), self.p_holm)


def differences(base: Mapping[int, Scored], variant: Mapping[int, Scored], metrics: Sequence[str]) -> dict[str, Difference]:
    """Metric -> difference, over the seeds that both have. A metric that is undefined for a seed is left out."""
    seeds = sorted(base.keys() & variant.keys())
    if not seeds:
        return {}
    rows = base[seeds[0]].rows
    a = np.stack([variant[s].rows.prediction for s in seeds])
    b = np.stack([base[s].rows.prediction for s in seeds])
    found = {}
    for metric in metrics:
        pairs = [(variant[s].metrics.get(metric), base[s].metrics.get(metric)) for s in seeds]
        if any(x is None or y is None for x, y in pairs):
            continue
        each = np.array([x - y for x, y in pairs if x is not None and y is not None])
        interval = paired_interval(metric, rows.target, a, b, rows.videos)
        found[metric] = Difference(float(each.mean()), interval.low, interval.high, sign_flip(each.tolist()))
    return found


def correct(found: Mapping[str, Mapping[str, Difference]]) -> dict[str, dict[str, Difference]]:
    """Variant -> metric -> difference, with Holm's correction over the variants of each metric."""
    corrected: dict[str, dict[str, Difference]] = {name: {} for name in found}
    for metric in METRICS:
        having = [name for name in found if metric in found[name]]
        for name, p in zip(having, holm([found[name][metric].p for name in having]), strict=True):
            d = found[name][metric]
            corrected[name][metric] = Difference(d.mean, d.low, d.high, d.p, float(p))
    return corrected
