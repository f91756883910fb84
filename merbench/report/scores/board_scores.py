"""All of a board that comes from labels: scores by seed, intervals, ranks. What is drawn later
needs predictions and labels no more.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from itertools import combinations

import numpy as np
from pydantic import Field

from merbench.api.declarations.config import Config
from merbench.api.declarations.metrics import MetricFacts
from merbench.report.scores.cache import Cache, version
from merbench.report.scores.entries import Board, Entry, flatten
from merbench.report.scores.pairs import Comparison, Pairs
from merbench.report.scores.source import Source
from merbench.report.scores.statistics import (
    Summary,
    adjusted,
    interval,
    summarise,
)
from merbench.report.scores.summary import by_seed
from merbench.results.metrics import TaskMetrics

PAIRED = 40
"""Of a board with more models, the tests of the best ones alone are kept pair by pair."""

RULE = (
    "rank: 1 + the number of rows that are significantly better, over all pairs of the board; "
    "= marks rows that are not separated "
    "from the best. Significant: the p that inverts the 95 % interval of the paired difference "
    "(seeds and videos), Holm-corrected "
    "over all pairs, and the sign-flip p over seeds are both under .05"
)


class Standing(Comparison):
    """``rank`` of a row, and its test against the best row of all (none for the best itself)."""

    rank: int = 0

    @property
    def with_the_best(self) -> bool:
        """Not separated from the best row."""
        return not self.significant


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
    models that are floors. ``pairs``: each of the ``PAIRED`` best models -> the better one it is
    tested against -> the test. ``ablations``: each against its full model. ``optimum``:
    what is given -> metric -> the best possible score on these rows, where the law of the data is
    known. ``papers``: model -> where it is published, as its recipe says. ``superseded``: rows that
    corrections took out of ``rows``; they are in no test.
    """

    metric: str
    metrics: dict[str, MetricFacts] = {}
    rows: dict[str, RowScores]
    floors: list[str]
    standings: dict[str, Standing]
    pairs: dict[str, dict[str, Comparison]] = {}
    ablations: dict[str, Comparison] = {}
    optimum: dict[str, dict[str, float]] = {}
    papers: dict[str, str] = {}
    superseded: dict[str, RowScores] = Field(default={}, exclude_if=operator.not_)

    @property
    def all_rows(self) -> dict[str, RowScores]:
        """The superseded ones too."""
        return {**self.rows, **self.superseded}

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
    """Every row's scores and the ranks of the models, without entries that lack one whole seed."""
    metric = board.metrics.ranking
    modules = sorted({definition.module for definition in board.metrics.values()})
    formulas = version(modules, cache.folder and cache.folder / "code.json")
    keys = {e.name: _key(e, source, formulas, board.folds) for e in board.all_entries if e.done}

    def scored(entries: Sequence[Entry]) -> dict[str, RowScores]:
        rows = {
            entry.name: cache.get(keys[entry.name], RowScores, partial(_row, entry, source, board))
            for entry in entries
            if entry.name in keys
        }
        return {name: row for name, row in rows.items() if row.seeds}

    found = scored(board.entries)
    entries = {e.name: e for e in board.entries if e.name in found}
    order = ranked({name: row.summary for name, row in found.items()}, board.metrics[metric])
    ordered = ranked(
        {
            name: found[name].summary
            for name, e in entries.items()
            if not e.floor and not e.ablation
        },
        board.metrics[metric],
    )

    pairs = Pairs(entries, source, board, metric)

    def compare(base: str, other: str) -> Comparison:
        key = sha256(f"{keys[base]} {keys[other]} {metric}".encode()).hexdigest()
        return cache.get(key, Comparison, lambda: pairs.compare(base, other))

    tests = pair_tests(ordered, compare)
    return BoardScores(
        metric=metric,
        metrics=facts(board.metrics),
        rows={name: found[name] for name in order},
        floors=sorted({e.first.spec.model for e in entries.values() if e.floor}),
        standings=standings(ordered, board.metrics[metric].higher_is_better, tests),
        pairs=_kept_pairs(ordered[:PAIRED], tests),
        ablations=ablations(list(entries.values()), compare),
        optimum={k: dict(v) for k, v in (optimum or {}).items()},
        superseded=scored(board.superseded),
    )


def with_papers(scores: BoardScores, board: Board, papers: Mapping[str, str]) -> BoardScores:
    """``papers`` of the board's models."""
    models = sorted({e.first.spec.model for e in board.entries if e.name in scores.rows})
    known = {model: papers[model] for model in models if papers.get(model)}
    return scores.model_copy(update={"papers": known})


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


Tests = Mapping[tuple[str, str], Comparison]
"""(base, other), the better one first -> the test of other minus base."""


def pair_tests(ordered: Sequence[str], compare: Callable[[str, str], Comparison]) -> Tests:
    """All pairs, corrected together. ``ordered`` from best to worst; ``compare(base, other)`` ->
    the uncorrected test of other minus base.
    """
    pairs = list(combinations(ordered, 2))
    tests = _corrected([compare(base, other) for base, other in pairs])
    return dict(zip(pairs, tests, strict=True))


def _kept_pairs(ordered: Sequence[str], tests: Tests) -> dict[str, dict[str, Comparison]]:
    kept: dict[str, dict[str, Comparison]] = {}
    for base, other in combinations(ordered, 2):
        test = tests[base, other].model_copy(update={"against": base})
        kept.setdefault(other, {})[base] = test
    return kept


def standings(ordered: Sequence[str], higher_is_better: bool, tests: Tests) -> dict[str, Standing]:
    """``RULE``. ``ordered`` from best to worst."""
    better = dict.fromkeys(ordered, 0)
    for (base, other), test in tests.items():
        if test.significant and test.difference is not None:
            worse = other if (test.difference[0] < 0) == higher_is_better else base
            better[worse] += 1
    found = {}
    for name in ordered:
        test = tests.get((ordered[0], name), Comparison())
        against = ordered[0] if name != ordered[0] else ""
        found[name] = Standing(**{**test.model_dump(), "against": against}, rank=1 + better[name])
    return found


def ablations(
    entries: Sequence[Entry], compare: Callable[[str, str], Comparison]
) -> dict[str, Comparison]:
    """Each ablation against the full model whose settings differ least from its own,
    corrected over a model's ablations.
    """
    found: dict[str, Comparison] = {}
    for model in sorted({e.first.spec.model for e in entries if e.ablation}):
        full = [e for e in entries if e.first.spec.model == model and not e.ablation]
        ablated = [e for e in entries if e.first.spec.model == model and e.ablation]
        if not full:
            continue
        bases = [min(full, key=lambda e, v=v: (_apart(e, v), e.name)).name for v in ablated]  # type: ignore[misc]
        tests = [compare(base, v.name) for base, v in zip(bases, ablated, strict=True)]
        for v, base, test in zip(ablated, bases, _corrected(tests), strict=True):
            found[v.name] = test.model_copy(update={"against": base})
    return found


def _apart(a: Entry, b: Entry) -> int:
    """In how many settings two specs differ."""
    one, other = (flatten(e.first.spec.model_dump(mode="json")) for e in (a, b))
    return sum(one.get(key) != other.get(key) for key in one.keys() | other.keys())


def _corrected(tests: Sequence[Comparison]) -> list[Comparison]:
    pairs = [(_or_nan(test.p), _or_nan(test.p_interval)) for test in tests]
    return [
        test.model_copy(update={"p_adjusted": _or_none(float(p))})
        for test, p in zip(tests, adjusted(pairs), strict=True)
    ]


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _key(entry: Entry, source: Source, formulas: str, folds: int) -> str:
    """Of the records, their predictions and targets, and the ``formulas``."""
    parts = [
        formulas,
        str(folds),
        *(f"{r.model_dump_json()}{source.content(r.run_id)}" for r in entry.done),
    ]
    return sha256("\0".join(parts).encode()).hexdigest()


def _row(entry: Entry, source: Source, board: Board) -> RowScores:
    metrics = board.metrics
    scored = by_seed(entry.records, source, metrics, board.folds)
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
