"""Lines of scores on the same seeds and rows, and how far each is from the line it is compared
with: paired differences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from merbench.report.scores.rows.pooled_seeds import Scored, summary
from merbench.report.scores.statistics.intervals import paired_interval
from merbench.report.scores.statistics.means import summaries_as_json
from merbench.report.scores.statistics.p_values import ALPHA, adjusted, sign_flip
from merbench.results.metrics import TaskMetrics


@dataclass(frozen=True)
class Difference:
    """One line minus another over seeds and test rows: ``mean``, 95 % interval (bootstrap over
    seeds and videos) with the ``p_interval`` that inverts it, exact sign-flip ``p`` over seeds.

    ``p_adjusted``: one p of both, corrected for the number of comparisons. ``significant``: it is
    under .05.
    """

    mean: float
    low: float
    high: float
    p: float
    p_interval: float = math.nan
    p_adjusted: float = math.nan

    @property
    def significant(self) -> bool:
        return self.p_adjusted < ALPHA

    def as_json(self) -> dict[str, float | bool | None]:
        plain = {k: None if math.isnan(v) else v for k, v in asdict(self).items()}
        return {**plain, "significant": self.significant}


@dataclass(frozen=True)
class Line:
    """``scored``: seed -> its score; empty where there is none, and ``reason`` says why.
    ``against``: the line it is compared with.
    """

    name: str
    scored: Mapping[int, Scored] = field(default_factory=dict)
    against: str = ""
    reason: str = ""


def differences(
    base: Mapping[int, Scored],
    other: Mapping[int, Scored],
    metrics: Sequence[str],
) -> dict[str, Difference]:
    """Metric -> difference, over the seeds that both have. A metric that is undefined for a seed is
    left out.
    """
    seeds = sorted(base.keys() & other.keys())
    if not seeds:
        return {}
    difference_of = {}
    for metric in metrics:
        pairs = [(other[s].metrics.get(metric), base[s].metrics.get(metric)) for s in seeds]
        if any(x is None or y is None for x, y in pairs):
            continue
        gaps = np.array([x - y for x, y in pairs if x is not None and y is not None])
        a, b = (np.stack([side[s].read_by(metric) for s in seeds]) for side in (other, base))
        rows, formula = base[seeds[0]].seen(metric), base[seeds[0]].task[metric].value
        interval = paired_interval(formula, rows.target, a, b, rows.videos)
        flipped = sign_flip(gaps.tolist())
        difference_of[metric] = Difference(
            float(gaps.mean()), interval.low, interval.high, flipped, interval.p
        )
    return difference_of


def correct(
    raw: Mapping[str, Mapping[str, Difference]],
) -> dict[str, dict[str, Difference]]:
    """Name -> metric -> difference, corrected over the names of each metric."""
    corrected: dict[str, dict[str, Difference]] = {name: {} for name in raw}
    for metric in dict.fromkeys(metric for of_name in raw.values() for metric in of_name):
        having = [name for name in raw if metric in raw[name]]
        p_values = adjusted([(raw[n][metric].p, raw[n][metric].p_interval) for n in having])
        for name, p in zip(having, p_values, strict=True):
            corrected[name][metric] = replace(raw[name][metric], p_adjusted=float(p))
    return corrected


def compare(lines: Sequence[Line], metrics: TaskMetrics) -> dict[str, dict[str, Difference]]:
    """Line -> metric -> difference from the line that it names, corrected over all of them."""
    by_name = {line.name: line for line in lines}
    paired = [line for line in lines if line.against and line.scored]
    return correct(
        {
            line.name: differences(by_name[line.against].scored, line.scored, metrics.headline)
            for line in paired
        }
    )


def same(a: Mapping[int, Scored], b: Mapping[int, Scored]) -> bool:
    """Whether both predict the same to the last bit, on every seed."""
    return (
        bool(a)
        and a.keys() == b.keys()
        and all(np.array_equal(a[s].rows.prediction, b[s].rows.prediction) for s in a)
    )


def lines_as_json(
    lines: Sequence[Line], compared: Mapping[str, Mapping[str, Difference]]
) -> list[dict[str, Any]]:
    """One object a line: its summary, its difference where it is compared, the reason where it has
    no score.
    """
    entries = []
    for line in lines:
        entry: dict[str, Any] = {"name": line.name}
        if line.reason:
            entry["reason"] = line.reason
        if line.scored:
            entry["summary"] = summaries_as_json(summary(line.scored))
        if line.name in compared:
            entry |= {
                "against": line.against,
                "difference": {m: d.as_json() for m, d in compared[line.name].items()},
            }
        entries.append(entry)
    return entries
