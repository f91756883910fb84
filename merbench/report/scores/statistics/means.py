"""Means over seeds, and how exact a proportion is. Every run is printed with these: nothing here
needs scipy, which takes a while to import.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np


class Summary(NamedTuple):
    """Mean and standard deviation (ddof = 1; nan for one value) of the ``n`` values that are
    defined.
    """

    mean: float
    sd: float
    n: int


def summarise(values: Sequence[float | None]) -> Summary:
    """None and nan are left out; ``n`` says how many were not."""
    x = np.array([v for v in values if v is not None and not math.isnan(v)])
    return Summary(
        float(x.mean()) if len(x) else math.nan,
        float(x.std(ddof=1)) if len(x) > 1 else math.nan,
        len(x),
    )


def over_seeds(seeds: Iterable[Mapping[str, float | None]]) -> dict[str, Summary]:
    """Metric -> its summary, of the metrics that are defined on a seed. ``seeds``: the metrics of
    each.
    """
    seeds = list(seeds)
    names = dict.fromkeys(name for metrics in seeds for name in metrics)
    summaries = {name: summarise([metrics.get(name) for metrics in seeds]) for name in names}
    return {name: summary for name, summary in summaries.items() if summary.n}


def summaries_as_json(scores: Mapping[str, Summary]) -> dict[str, dict[str, float | int | None]]:
    """``{metric: {"mean":, "sd":, "n":}}``; what is undefined is null."""
    return {m: {"mean": _null(s.mean), "sd": _null(s.sd), "n": s.n} for m, s in scores.items()}


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value


FEW = 5
"""Rows of either kind under which the normal interval of a proportion is too narrow."""


def half_width(share: float, n: int, level: float = 0.95) -> float:
    """Half the width of the normal interval of a proportion over n rows: .026 for an accuracy of
    .86 on 686. Of Wilson's (1927, JASA 22) where fewer than five rows are right or wrong: a perfect
    score on 30 rows is not known to ± 0.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    if min(share, 1 - share) * n >= FEW:
        return z * math.sqrt(share * (1 - share) / n)
    return z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2) / (1 + z**2 / n)
