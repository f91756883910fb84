"""A board as a table: which columns, which rows in which order, which notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from merbench.api.plural import count_of
from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.board.ranks import RULE, Standing
from merbench.report.scores.rows.entries import Board, Entry
from merbench.report.scores.statistics.means import summaries_as_json
from merbench.report.scores.statistics.p_values import ALPHA
from merbench.report.tables import board as words
from merbench.report.tables.numbers import interval, number
from merbench.report.tables.published import TIERS, Claim, published, re_run, tier
from merbench.report.tables.table import (
    FLOORS,
    LEAVES_COST,
    LEAVES_INTERVAL,
    LEAVES_METRIC,
    Cell,
    Column,
    Row,
    metric_columns,
)

ABLATIONS, OPTIMUM, CLAIMS = "ablations", "best possible, given", "claims of "
SUPERSEDED = "superseded"
RANK = Column("rank", ("rank",))
SETTINGS = Column("settings", ("settings",), text=True)
SEEDS = Column("seeds", ("seeds",), leaves=LEAVES_METRIC)
COST = tuple(Column(key, (key,), leaves=LEAVES_COST) for key in ("trainable", "training", "tuning"))


@dataclass(frozen=True)
class Sheet:
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def sheet(
    board: Board,
    scores: BoardScores,
    *,
    every_metric: bool = False,
    ablations: bool = False,
    intervals: bool = False,
    claims: bool = False,
    superseded: bool = False,
) -> Sheet:
    """Models by rank with the floors among them, then ``ablations``, the optimum, ``superseded``
    rows, and what others claim (``claims``). ``intervals``: in every cell.
    """
    published_claims = published(board.track) if claims else []
    names = list(scores.metrics) if every_metric else scores.headline
    rows = [row for row in _scored_rows(board, scores, intervals) if ablations or not _ablated(row)]
    settings = (SETTINGS,) if any(row.cells.get("settings") for row in rows) else ()
    interval = f"{scores.ranks_by.title}, 95 % interval"
    columns = (
        *settings,
        RANK,
        SEEDS,
        *metric_columns(scores.metrics, names, scores.metric),
        Column(interval, ("interval",), leaves=LEAVES_INTERVAL),
        *COST,
    )
    rows += [
        Row(given, {m: Cell(v) for m, v in best.items()}, OPTIMUM)
        for given, best in scores.optimum.items()
    ]
    if superseded:
        rows += [
            Row(entry.name, _cells(entry, scores, intervals), SUPERSEDED, entry.label)
            for entry in board.superseded
            if entry.name in scores.superseded
        ]
    for source in published_claims:
        rows += [
            Row(
                claim.name,
                {m: Cell(v) for m, v in claim.scores.items()},
                f"{CLAIMS}{source.by}, {TIERS[tier(claim, board, scores)]}",
            )
            for claim in source.claims
        ]
    sources = [f"{CLAIMS}{c.by}: {c.source}; {c.note}" for c in published_claims]
    reruns = [
        sentence
        for source in published_claims
        for claim in source.claims
        if (sentence := _against_rerun(source.by, claim, board, scores))
    ]
    every_note = (*notes(board, scores), *sources, *reruns)
    return Sheet(board.title, columns, tuple(rows), every_note)


def _against_rerun(by: str, claim: Claim, board: Board, scores: BoardScores) -> str:
    """How a claim stands to the same method run here on its own inputs; empty where it was not."""
    rerun, metric = re_run(claim, board, scores), scores.ranks_by
    if rerun is None or scores.metric not in claim.scores:
        return ""
    claimed, mean = claim.scores[scores.metric], rerun.summary[scores.metric].mean
    ends = interval(rerun.intervals[scores.metric], metric)
    includes = "excludes" if tier(claim, board, scores) == "contradicted" else "includes"
    return (
        f"{by} reports {metric.title} {number(claimed, metric)} for {claim.name}; re-run here on "
        f"the same inputs, {claim.model} reaches {number(mean, metric)} {ends}, "
        f"an interval that {includes} the reported value"
    )


def _scored_rows(board: Board, scores: BoardScores, intervals: bool) -> list[Row]:
    """From best to worst; the ablations last."""
    rows = []
    for name in scores.rows:
        entry = board.by_name[name]
        group = FLOORS if entry.floor else ABLATIONS if entry.ablation else ""
        rows.append(Row(name, _cells(entry, scores, intervals), group, entry.label))
    return sorted(rows, key=_ablated)


def _ablated(row: Row) -> bool:
    return row.group == ABLATIONS


def notes(board: Board, scores: BoardScores) -> list[str]:
    """Ends with how the ranks came about."""
    best = next((scores.rows[n] for n, s in scores.standings.items() if s.rank == 1), None)
    sentences = words.notes(board.kind, best.summary, scores.row_counts) if best else []
    seeds = max((len(scores.rows[n].seeds) for n in scores.standings), default=0)
    if len(scores.standings) > 1:
        sentences.append(RULE)
        if 2 / 2**seeds >= ALPHA:
            sentences.append(
                f"with {count_of(seeds, 'seed')} no sign-flip p lies below {2 / 2**seeds:.3g}: "
                "these ranks separate models from six seeds on"
            )
    return sentences + board.caveats + [corrected(e, board, scores) for e in board.superseded]


def corrected(entry: Entry, board: Board, scores: BoardScores) -> str:
    """Of a superseded row: ``tfn (superseded 2026-11-28), MAE 1.240, by tfn, MAE 1.198: why``."""
    assert entry.correction is not None
    by = [e.name for e in board.superseding(entry)]
    named = [_with_score(name, scores) for name in (entry.name, *by)]
    return f"{named[0]}, by {' and '.join(named[1:])}: {entry.correction.reason}"


def _with_score(name: str, scores: BoardScores) -> str:
    row, metric = scores.all_rows.get(name), scores.ranks_by
    summary = row.summary.get(scores.metric) if row else None
    if summary is None:
        return name
    return f"{name}, {metric.title} {number(summary.mean, metric)}"


def as_json(board: Board, scores: BoardScores, page: Sheet) -> dict[str, Any]:
    """For programs: each shown row with every score by seed, intervals and where it stands; then
    the notes.
    """
    rows = []
    for row in page.rows:
        entry_json: dict[str, Any] = {"name": row.name, "group": row.group}
        if row.label:
            row_scores = scores.all_rows[row.name]
            entry = board.by_name[row.name]
            standing = scores.standings.get(row.name)
            entry_json |= {
                "model": entry.label,
                "settings": entry.shown_settings,
                "summary": summaries_as_json(row_scores.summary),
                "intervals": row_scores.intervals,
                "seeds": row_scores.seeds,
                "standing": standing.model_dump() if standing else None,
                "trainable": trainable(entry),
                "training_seconds": round(training_seconds(entry), 3),
                "tuned_by": entry.first.tuned_by,
                "runs": [r.run_id for r in entry.records],
            }
            if entry.correction:
                entry_json["superseded"] = {
                    "by": [e.name for e in board.superseding(entry)],
                    **entry.correction.model_dump(mode="json", include={"date", "reason"}),
                }
        else:
            entry_json["summary"] = {
                m: {"mean": c.mean} for m, c in row.cells.items() if isinstance(c, Cell)
            }
            if row.group.startswith(CLAIMS):
                words = row.group.partition(", ")[2]
                entry_json["tier"] = next(t for t, text in TIERS.items() if text == words)
        rows.append(entry_json)
    return {
        "track": board.track.model_dump(mode="json"),
        "metric": scores.metric,
        "rows": rows,
        "notes": list(page.notes),
    }


def _cells(entry: Entry, scores: BoardScores, intervals: bool) -> dict[str, Cell | str]:
    row = scores.all_rows[entry.name]
    cells: dict[str, Cell | str] = {}
    for metric, s in row.summary.items():
        low, high = row.intervals.get(metric, (None, None)) if intervals else (None, None)
        cells[metric] = Cell(s.mean, s.sd, s.n, low, high)
    if ends := row.intervals.get(scores.metric):
        facts = scores.ranks_by
        texts = (f"{facts.scale * end:.{facts.digits}f}" for end in ends)
        cells["interval"] = f"[{', '.join(texts)}]"
    standing = scores.standings.get(entry.name)
    return cells | {
        "settings": entry.shown_settings,
        "rank": _rank(standing),
        "seeds": str(len(row.seeds)),
        "trainable": "" if entry.first.outside else count(trainable(entry)),
        "training": "" if entry.first.outside else span(training_seconds(entry)),
        "tuning": tuning(entry),
    }


def _rank(standing: Standing | None) -> str:
    """``1``, or ``3 =`` for a row that is not separated from the best."""
    if standing is None:
        return ""
    return (
        f"{standing.rank} =" if standing.against and standing.with_the_best else str(standing.rank)
    )


# --- what a row cost


def trainable(entry: Entry) -> int:
    """Parameters that training changes. A frozen tower may be a part of the model or encode its
    streams beforehand: all parameters would count it in the one case alone.
    """
    return max((r.cost.trainable for r in entry.done if r.cost), default=0)


def training_seconds(entry: Entry) -> float:
    """Mean over seeds; the folds of a seed add up."""
    by_seed: dict[int, float] = {}
    for record in entry.done:
        by_seed[record.seed] = by_seed.get(record.seed, 0.0) + (
            record.cost.seconds if record.cost else 0.0
        )
    return sum(by_seed.values()) / len(by_seed) if by_seed else 0.0


def tuning(entry: Entry) -> str:
    """``30 trials, 12 min``; empty where nothing was tuned."""
    search = entry.first.tuned_by
    return f"{search['trials']} trials, {span(search['seconds'])}" if search else ""


def count(number: float) -> str:
    """``231,617`` as ``232k``."""
    rounded = float(f"{number:.3g}")
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if rounded >= size:
            return f"{rounded / size:.3g}{unit}"
    return f"{rounded:g}"


def span(seconds: float) -> str:
    """A duration as people say it: ``0.3 s``, ``25 s``, ``12 min``, ``3.4 h``."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
