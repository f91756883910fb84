"""All of a board that comes from labels: scores by seed, intervals, ranks. What is drawn later
needs predictions and labels no more.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256

import numpy as np

from merbench.api.config import Config
from merbench.api.metrics import MetricFacts
from merbench.report.scores.cache import Cache, version
from merbench.report.scores.entries import Board, Entry, flatten
from merbench.report.scores.paired import differences
from merbench.report.scores.source import Source
from merbench.report.scores.statistics import (
    Interval,
    Summary,
    holm,
    interval,
    significant,
    summarise,
)
from merbench.report.scores.summary import by_seed
from merbench.results.metrics import TaskMetrics

RULE = (
    "rank: rows are read from best to worst; one that is not significantly worse than the best of the current group shares its rank, the "
    "first that is opens the next group. Significant: the 95 % interval of the paired difference (seeds and videos) leaves out 0, and the "
    "sign-flip p over seeds, Holm-corrected over all rows below the group's best, is under .05"
)


class Comparison(Config):
    """A row less the row ``against`` it: ``difference`` (mean, low, high), sign-flip ``p``, and
    ``p_holm`` corrected.
    """

    against: str = ""
    difference: tuple[float, float, float] | None = None
    p: float | None = None
    p_holm: float | None = None

    @property
    def significant(self) -> bool:
        return (
            self.difference is not None
            and self.p_holm is not None
            and significant(Interval(*self.difference), self.p_holm)
        )


class Standing(Comparison):
    """``rank`` of a row, and the test that decided it: against the best row of its group."""

    rank: int = 0


class RowScores(Config):
    """``seeds``: seed -> metric -> score on its pooled test rows. ``intervals``: metric -> 95 %
    interval of its mean.
    """

    seeds: dict[int, dict[str, float | None]]
    intervals: dict[str, tuple[float, float]] = {}
    rows: int = 0
    videos: int = 0

    @property
    def summary(self) -> dict[str, Summary]:
        found = {
            m: summarise([s.get(m) for s in self.seeds.values()])
            for m in dict.fromkeys(m for s in self.seeds.values() for m in s)
        }
        return {m: s for m, s in found.items() if s.n}


class BoardScores(Config):
    """``metric``: the one that ranks. ``metrics``: how each that is scored is shown. ``floors``:
    models that are floors. ``ablations``: each variant against its full model. ``optimum``: what is
    given -> metric -> the best possible score on these rows, where the law of the data is known.
    """

    metric: str
    metrics: dict[str, MetricFacts] = {}
    rows: dict[str, RowScores]
    floors: list[str]
    standings: dict[str, Standing]
    ablations: dict[str, Comparison] = {}
    optimum: dict[str, dict[str, float]] = {}

    @property
    def ranks_by(self) -> MetricFacts:
        return self.metrics[self.metric]

    @property
    def headline(self) -> list[str]:
        """The metrics of a table, in its order."""
        shown = [name for name, metric in self.metrics.items() if metric.headline]
        return shown if self.metric in shown else [self.metric, *shown]

    @property
    def test_rows(self) -> int:
        return max((r.rows for r in self.rows.values()), default=0)


def score(
    board: Board,
    source: Source,
    cache: Cache,
    optimum: Mapping[str, Mapping[str, float]] | None = None,
) -> BoardScores:
    """Every row's scores and the ranks of the models. Entries without one whole seed are left out."""
    metric = board.metrics.ranking
    formulas = version(sorted({definition.module for definition in board.metrics.values()}))
    keys = {e.name: _key(e, source, formulas) for e in board.entries if e.done}
    found = {}
    for entry in board.entries:
        if entry.name in keys:
            made = cache.get(
                keys[entry.name], RowScores, partial(_row, entry, source, board.metrics)
            )
            if made.seeds:
                found[entry.name] = made
    entries = {e.name: e for e in board.entries if e.name in found}
    order = ranked({name: row.summary for name, row in found.items()}, board.metrics[metric])
    ordered = ranked(
        {name: found[name].summary for name, e in entries.items() if not e.floor and not e.variant},
        board.metrics[metric],
    )

    def compare(base: str, other: str) -> Comparison:
        key = sha256(f"{keys[base]} {keys[other]} {metric}".encode()).hexdigest()
        return cache.get(
            key,
            Comparison,
            lambda: _paired(entries[base], entries[other], source, board.metrics, metric),
        )

    return BoardScores(
        metric=metric,
        metrics=facts(board.metrics),
        rows={name: found[name] for name in order},
        floors=sorted({e.first.spec.model for e in entries.values() if e.floor}),
        standings=standings(ordered, compare),
        ablations=ablations(list(entries.values()), compare),
        optimum={k: dict(v) for k, v in (optimum or {}).items()},
    )


def facts(metrics: TaskMetrics) -> dict[str, MetricFacts]:
    """How each metric is shown, as it stands in scores.json."""
    fields = [field.name for field in dataclasses.fields(MetricFacts)]
    return {
        name: MetricFacts(**{field: getattr(metric, field) for field in fields})
        for name, metric in metrics.items()
    }


def ranked(summaries: Mapping[str, Mapping[str, Summary]], metric: MetricFacts) -> list[str]:
    """Names from best to worst; what has no score comes last."""
    sign = -1 if metric.higher_is_better else 1

    def key(name: str) -> tuple[float, str]:
        found = summaries[name].get(metric.name)
        return (math.inf if found is None or math.isnan(found.mean) else sign * found.mean), name

    return sorted(summaries, key=key)


def standings(
    ordered: Sequence[str], compare: Callable[[str, str], Comparison]
) -> dict[str, Standing]:
    """``RULE``. ``ordered`` from best to worst; ``compare(leader, other)`` -> the uncorrected test
    between the two.
    """
    found: dict[str, Standing] = {}
    start = 0
    while start < len(ordered):
        leader, below = ordered[start], ordered[start + 1 :]
        tests = [compare(leader, name) for name in below]
        adjusted = holm([math.nan if t.p is None else t.p for t in tests])
        found[leader] = found.get(leader, Standing()).model_copy(update={"rank": start + 1})
        following = len(ordered)
        for at, (name, test, p) in enumerate(zip(below, tests, adjusted, strict=True), start + 1):
            found[name] = Standing(**_corrected(test, leader, p).model_dump(), rank=start + 1)
            if found[name].significant:
                following = at
                break
        start = following
    return found


def ablations(
    entries: Sequence[Entry], compare: Callable[[str, str], Comparison]
) -> dict[str, Comparison]:
    """Each variant against the full model whose settings differ least from its own; Holm's
    correction over a model's variants.
    """
    found: dict[str, Comparison] = {}
    for model in sorted({e.first.spec.model for e in entries if e.variant}):
        full = [e for e in entries if e.first.spec.model == model and not e.variant]
        variants = [e for e in entries if e.first.spec.model == model and e.variant]
        if not full:
            continue
        bases = [min(full, key=lambda e, v=v: (_apart(e, v), e.name)).name for v in variants]  # type: ignore[misc]
        tests = [compare(base, v.name) for base, v in zip(bases, variants, strict=True)]
        adjusted = holm([math.nan if t.p is None else t.p for t in tests])
        for v, base, test, p in zip(variants, bases, tests, adjusted, strict=True):
            found[v.name] = _corrected(test, base, p)
    return found


def _apart(a: Entry, b: Entry) -> int:
    """In how many settings two specs differ."""
    one, other = (flatten(e.first.spec.model_dump(mode="json")) for e in (a, b))
    return sum(one.get(key) != other.get(key) for key in one.keys() | other.keys())


def _corrected(test: Comparison, against: str, p: float) -> Comparison:
    return test.model_copy(
        update={"against": against, "p_holm": None if math.isnan(p) else float(p)}
    )


def _paired(
    base: Entry, other: Entry, source: Source, metrics: TaskMetrics, metric: str
) -> Comparison:
    ours, theirs = (by_seed(entry.records, source, metrics) for entry in (base, other))
    found = differences(ours, theirs, [metric]).get(metric)
    if found is None:
        return Comparison()
    ends = None if math.isnan(found.low) else (found.mean, found.low, found.high)
    return Comparison(difference=ends, p=None if math.isnan(found.p) else found.p)


def _key(entry: Entry, source: Source, formulas: str) -> str:
    """Of the records, their predictions and targets, and the ``formulas``."""
    parts = [formulas, *(f"{r.model_dump_json()}{source.content(r.run_id)}" for r in entry.done)]
    return sha256("\0".join(parts).encode()).hexdigest()


def _row(entry: Entry, source: Source, metrics: TaskMetrics) -> RowScores:
    scored = by_seed(entry.records, source, metrics)
    if not scored:
        return RowScores(seeds={})
    first = next(iter(scored.values())).rows
    intervals = {}
    for metric in metrics.headline:
        seen = next(iter(scored.values())).seen(metric)
        predictions = np.stack([s.read_by(metric) for s in scored.values()])
        ends = interval(metrics[metric].value, seen.target, predictions, seen.videos)
        if not math.isnan(ends.low):
            intervals[metric] = (ends.low, ends.high)
    return RowScores(
        seeds={seed: dict(sorted(s.metrics.items())) for seed, s in scored.items()},
        intervals=intervals,
        rows=len(first.ids),
        videos=len(set(first.videos)),
    )
