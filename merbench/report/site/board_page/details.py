"""What a row opens: the command that makes its runs again, the runs with their curves, the test
behind its rank, spec and provenance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from merbench.api.declarations.metrics import MetricFacts
from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.board.ranks import Standing
from merbench.report.scores.board.row_pairs import Comparison
from merbench.report.scores.rows.entries import Board, Entry
from merbench.report.site.board_page.reproduce import phrases
from merbench.report.site.deduplicated_data import interned
from merbench.report.site.packed_numbers import packed
from merbench.report.tables.numbers import number, signed, signed_interval, size
from merbench.results.records.record import Record

RUN_FIELDS = ("seed", "fold", "id", "valid", "test", "best", "seconds", "started", "error")
LEVELS = 4000
"""A curve is drawn 115 pixels high."""


def detail(entry: Entry, board: Board, scores: BoardScores) -> dict[str, Any]:
    """For the page's script. Numbers are rounded as one reads them; runs are columns of values."""
    titles = {e.name: e.title for e in board.entries}
    first = entry.first
    runs = [_run(record, scores) for record in entry.records]
    standing = scores.standings.get(entry.name) or scores.ablations.get(entry.name)
    return {
        "metric": scores.ranks_by.title,
        "command": phrases(first.spec, sorted({r.seed for r in entry.records})),
        "runs": {
            field: [run.get(field) for run in runs]
            for field in RUN_FIELDS
            if any(run.get(field) is not None for run in runs)
        },
        "curves": _curves(entry.records, scores),
        "spec": first.spec.model_dump(mode="json"),
        "provenance": {
            "source": first.source_digest,
            "contents": first.contents,
            **first.provenance,
        },
        "caveat": first.caveat,
        "about": _about(first, scores),
        "tuned": first.tuned_by,
        "test": compared(standing, scores.ranks_by, titles) if standing else None,
    }


def _about(record: Record, scores: BoardScores) -> dict[str, str]:
    """Where the method comes from, and what the makers of outside predictions state."""
    model = record.spec.model
    facts = {
        "paper": scores.papers.get(model, ""),
        "code": scores.codes.get(model, ""),
        "licence of the code": scores.licences.get(model, ""),
    }
    if record.outside:
        facts |= {"source": record.outside.about.source, "licence": record.outside.about.licence}
    return {name: text for name, text in facts.items() if text}


def _run(record: Record, scores: BoardScores) -> dict[str, Any]:
    metric, facts = scores.metric, scores.ranks_by
    run: dict[str, Any] = {
        "id": record.run_id,
        "seed": record.seed,
        "fold": record.fold,
        "started": record.started[:16],
        "error": record.error,
        "best": record.best_epoch,
    }
    if record.metrics:
        for part, values in (("valid", record.metrics.valid), ("test", record.metrics.test)):
            value = values.get(metric)
            run[part] = None if value is None else number(value, facts)
    if record.cost:
        run["seconds"] = round(record.cost.seconds, 1)
    return run


def compared(test: Comparison, metric: MetricFacts, titles: Mapping[str, str]) -> str:
    """The test behind a rank or an ablation in sentences. ``titles``: name of a row -> title."""
    rank = f"Rank {test.rank}. " if isinstance(test, Standing) else ""
    other = titles.get(test.against, test.against)
    if test.difference is None or test.p is None or test.p_adjusted is None:
        return rank + (f"Not tested against {other}." if other else "The best mean of the board.")
    mean, *ends = test.difference
    direction = "worse" if (mean < 0) == metric.higher_is_better else "better"
    gap = f"is {size(mean, metric)} {direction} than" if mean else "equals"
    if test.significant:
        verdict = f"Significantly {direction}."
    else:
        verdict = "Not significant, which does not show that the two are equal."
    return (
        f"{rank}{metric.title} {gap} that of {other}: "
        f"paired difference {signed(mean, metric)}, 95 % interval "
        f"{signed_interval(sorted(ends), metric)}, sign-flip p = {test.p:.3g} over seeds, "
        f"corrected p = {test.p_adjusted:.3g}. {verdict}"
    )


def _curves(records: Sequence[Record], scores: BoardScores) -> dict[str, Any]:
    """Validation scores by epoch: ``epochs`` of each run, and the scores of all, packed."""
    curves = [
        [epoch.get(scores.metric) for epoch in record.history]
        for record in records
        if record.best_epoch is not None
    ]
    scale = scores.ranks_by.scale
    values = [None if v is None else scale * v for curve in curves for v in curve]
    finite = [v for v in values if v is not None and math.isfinite(v)]
    span = max(finite, default=0.0) - min(finite, default=0.0)
    step = 10.0 ** math.ceil(math.log10(span / LEVELS)) if span else 1e-4
    return {"epochs": [len(curve) for curve in curves], **packed(values, step)}


def compact(details: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Of ``detail`` of each row, what they share once: objects, and phrases of their commands."""
    every = dict.fromkeys(phrase for row in details.values() for phrase in row["command"])
    numbers = {phrase: number for number, phrase in enumerate(every)}
    numbered = {
        name: row | {"command": [numbers[phrase] for phrase in row["command"]]}
        for name, row in details.items()
    }
    return {"phrases": list(every), **interned(numbered)}
