"""All of a board that comes from labels: scores by seed, intervals, ranks. What is drawn later
needs predictions and labels no more.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Mapping, Sequence
from hashlib import sha256

from pydantic import Field

from merbench.api.declarations.config import Config
from merbench.api.declarations.metrics import MetricFacts
from merbench.report.scores.board.ablations import ablations
from merbench.report.scores.board.ranks import Standing, standings
from merbench.report.scores.board.row_pairs import Comparison, RowValues
from merbench.report.scores.board.row_scores import NO_SEED, RowScores, rows_of
from merbench.report.scores.cache import Cache, version
from merbench.report.scores.rows.entries import Board, Entry
from merbench.report.scores.rows.pooled_seeds import RowCounts
from merbench.report.scores.runs_of_a_store import Source
from merbench.report.scores.statistics.means import Summary
from merbench.report.scores.statistics.pair_tests import EveryPair
from merbench.report.scores.statistics.stacks import Models
from merbench.report.scores.statistics.threads import one_thread
from merbench.results.metrics import TaskMetrics
from merbench.results.records.titles import fingerprint
from merbench.results.spec import canonical

PAIRED = 40
"""Of a board with more models, the tests of the best ones alone are kept pair by pair."""


class Origin(Config):
    """Of a model: where it is ``paper``, its authors' ``code`` and the ``licence`` of that."""

    paper: str = ""
    code: str = ""
    licence: str = ""


class BoardScores(Config):
    """``metric``: the one that ranks. ``metrics``: how each that is scored is shown. ``floors``:
    models that are floors. ``pairs``: each of the ``PAIRED`` best models -> the better one it is
    tested against -> the test. ``ablations``: each against its full model. ``optimum``:
    what is given -> metric -> the best possible score on these rows, where the law of the data is
    known. ``papers``, ``codes``, ``licences``: model -> ``Origin``. ``superseded``: rows that
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
    codes: dict[str, str] = Field(default={}, exclude_if=operator.not_)
    licences: dict[str, str] = Field(default={}, exclude_if=operator.not_)
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

    @property
    def row_counts(self) -> RowCounts:
        nonzero = max((r.nonzero for r in self.rows.values()), default=0)
        return RowCounts(self.test_rows, nonzero or self.test_rows)


class KeptScores(Config):
    """A board's scores as the cache has them. ``key``: of all that decides them; ``row_keys``: of
    what decides each row, so that rows outlive a change of others.
    """

    key: str
    row_keys: dict[str, str]
    scores: BoardScores


@one_thread()
def score(
    board: Board,
    source: Source,
    cache: Cache,
    optimum: Mapping[str, Mapping[str, float]] | None = None,
    every_interval: bool = True,
) -> BoardScores:
    """Every row's scores and the ranks of the models, without entries that lack one whole seed.
    ``every_interval``: of all metrics of a table, and not of the ranking one alone, which takes a
    fraction of the time.
    """
    optimum = {k: dict(v) for k, v in (optimum or {}).items()}
    intervals = board.metrics.headline if every_interval else (board.metrics.ranking,)
    values = RowValues({e.name: e for e in board.entries}, source, board, board.metrics.ranking)
    models = values.models([e.name for e in board.entries if not e.floor and not e.ablation])
    if cache.folder is None:
        rows = rows_of([e for e in board.all_entries if e.done], values, intervals, models)
        return _ranked(values, models, _with_a_seed(rows), optimum)
    modules = sorted({definition.module for definition in board.metrics.values()})
    # Which metrics there are decides the intervals, and may change with the newest run.
    formulas = " ".join((version(modules, cache.parsed_code), *intervals))
    row_keys = {e.name: _key(e, source, formulas, board.folds) for e in board.all_entries if e.done}
    floors, superseded = (
        sorted(e.name for e in entries)
        for entries in ([e for e in board.entries if e.floor], board.superseded)
    )
    about = [board.metrics.ranking, list(board.metrics), row_keys, floors, superseded, optimum]
    key = sha256(canonical(about).encode()).hexdigest()
    names = [f"board-{fingerprint(board.track)}"]
    if not every_interval:
        names.append(f"{names[0]}-ranking")
    known: dict[str, RowScores] = {}
    for name in names:
        kept = cache.read(name, KeptScores)
        if kept and kept.key == key:
            return kept.scores
        if kept:
            before = kept.scores.all_rows
            known |= {row_key: before.get(row, NO_SEED) for row, row_key in kept.row_keys.items()}
    finished = [e for e in board.all_entries if e.name in row_keys]
    missing = [e for e in finished if row_keys[e.name] not in known]
    new = rows_of(missing, values, intervals, models)
    rows = {e.name: new.get(e.name) or known[row_keys[e.name]] for e in finished}
    scores = _ranked(values, models, _with_a_seed(rows), optimum)
    cache.write(names[-1], KeptScores(key=key, row_keys=row_keys, scores=scores))
    return scores


def _with_a_seed(rows: Mapping[str, RowScores]) -> dict[str, RowScores]:
    return {name: row for name, row in rows.items() if row.seeds}


def _ranked(
    values: RowValues,
    models: Models | None,
    rows: Mapping[str, RowScores],
    optimum: Mapping[str, Mapping[str, float]],
) -> BoardScores:
    board, metric = values.board, values.metric
    facts_of = board.metrics[metric]
    entries = {e.name: e for e in board.entries if e.name in rows}
    ordered = ranked({name: rows[name].summary for name in entries}, facts_of)
    compared = [name for name in ordered if models and name in models.seeds]
    tests = values.tests(compared, models)
    return BoardScores(
        metric=metric,
        metrics=facts(board.metrics),
        rows={name: rows[name] for name in ordered},
        floors=sorted({e.first.spec.model for e in entries.values() if e.floor}),
        standings=standings(tests, facts_of.higher_is_better),
        pairs=_best_pairs(tests, compared[:PAIRED]),
        ablations=ablations(list(entries.values()), values),
        optimum=optimum,
        superseded={e.name: rows[e.name] for e in board.superseded if e.name in rows},
    )


def with_origins(scores: BoardScores, board: Board, origins: Mapping[str, Origin]) -> BoardScores:
    """``origins`` of the board's models."""
    models = sorted({e.first.spec.model for e in board.entries if e.name in scores.rows})
    known = {model: origins[model] for model in models if model in origins}
    papers = {model: origin.paper for model, origin in known.items() if origin.paper}
    codes = {model: origin.code for model, origin in known.items() if origin.code}
    licences = {model: origin.licence for model, origin in known.items() if origin.licence}
    changed = {"papers": papers, "codes": codes, "licences": licences}
    return scores.model_copy(update=changed)


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
        summary = summaries[name].get(metric.name)
        mean = summary.mean if summary else math.nan
        return (math.inf if math.isnan(mean) else sign * mean), name

    return sorted(summaries, key=key)


def _best_pairs(tests: EveryPair, models: Sequence[str]) -> dict[str, dict[str, Comparison]]:
    return {
        other: {base: Comparison.of(tests.of(base, other), base) for base in models[:place]}
        for place, other in enumerate(models)
        if place
    }


def _key(entry: Entry, source: Source, formulas: str, folds: int) -> str:
    """Of the records, their predictions and targets, and the ``formulas``."""
    parts = [
        formulas,
        str(folds),
        *(
            f"{r.model_dump_json(exclude={'history'})}{source.content(r.run_id)}"
            for r in entry.done
        ),
    ]
    return sha256("\0".join(parts).encode()).hexdigest()
