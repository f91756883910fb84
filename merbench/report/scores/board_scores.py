"""All of a board that comes from labels: scores by seed, intervals, ranks. What is drawn later
needs predictions and labels no more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256

import numpy as np

from merbench.api.config import Config
from merbench.api.types import SpaceKind
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
from merbench.results.metrics import METRICS, default_metric, headline

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
    """``floors``: models that are floors. ``ablations``: each variant against its full model.
    ``optimum``: what is given -> metric -> the best possible score on these rows, where the law of
    the data is known.
    """

    metric: str
    rows: dict[str, RowScores]
    floors: list[str]
    standings: dict[str, Standing]
    ablations: dict[str, Comparison] = {}
    optimum: dict[str, dict[str, float]] = {}

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
    metric = default_metric(board.kind)
    keys = {e.name: _key(e, source) for e in board.entries if e.done}
    found = {}
    for entry in board.entries:
        if entry.name in keys:
            made = cache.get(keys[entry.name], RowScores, partial(_row, entry, source, board.kind))
            if made.seeds:
                found[entry.name] = made
    entries = {e.name: e for e in board.entries if e.name in found}
    ordered = ranked(
        {name: found[name].summary for name, e in entries.items() if not e.floor and not e.variant},
        metric,
    )

    def compare(base: str, other: str) -> Comparison:
        key = sha256(f"{keys[base]} {keys[other]} {metric}".encode()).hexdigest()
        return cache.get(
            key, Comparison, lambda: _paired(entries[base], entries[other], source, metric)
        )

    return BoardScores(
        metric=metric,
        rows={name: found[name] for name in ranked({n: found[n].summary for n in found}, metric)},
        floors=sorted({e.first.spec.model for e in entries.values() if e.floor}),
        standings=standings(ordered, compare),
        ablations=ablations(list(entries.values()), compare),
        optimum={k: dict(v) for k, v in (optimum or {}).items()},
    )


def ranked(summaries: Mapping[str, Mapping[str, Summary]], metric: str) -> list[str]:
    """Names from best to worst; what has no score comes last."""
    sign = -1 if METRICS[metric].higher_is_better else 1

    def key(name: str) -> tuple[float, str]:
        found = summaries[name].get(metric)
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


def _paired(base: Entry, other: Entry, source: Source, metric: str) -> Comparison:
    found = differences(
        by_seed(base.records, source), by_seed(other.records, source), [metric]
    ).get(metric)
    if found is None:
        return Comparison()
    ends = None if math.isnan(found.low) else (found.mean, found.low, found.high)
    return Comparison(difference=ends, p=None if math.isnan(found.p) else found.p)


def _key(entry: Entry, source: Source) -> str:
    """Of the records, their predictions and targets, and the formulas."""
    parts = [version(), *(f"{r.model_dump_json()}{source.content(r.run_id)}" for r in entry.done)]
    return sha256("\0".join(parts).encode()).hexdigest()


def _row(entry: Entry, source: Source, kind: SpaceKind) -> RowScores:
    scored = by_seed(entry.records, source)
    if not scored:
        return RowScores(seeds={})
    first = next(iter(scored.values())).rows
    intervals = {}
    for metric in headline(kind):
        seen = next(iter(scored.values())).seen(metric)
        ends = interval(
            metric, seen.target, np.stack([s.taken(metric) for s in scored.values()]), seen.videos
        )
        if not math.isnan(ends.low):
            intervals[metric] = (ends.low, ends.high)
    return RowScores(
        seeds={seed: dict(sorted(s.metrics.items())) for seed, s in scored.items()},
        intervals=intervals,
        rows=len(first.ids),
        videos=len(set(first.videos)),
    )
