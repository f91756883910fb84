"""A board as one web page: no network, no build step, readable without scripts; opening a row needs the few lines of ``board.js``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from merbench.report.entries import Board, Entry
from merbench.report.reproduce import command
from merbench.report.scores import BoardScores
from merbench.report.sheet import CLAIMS, Sheet, sheet
from merbench.report.tables import Cell, Row, metric_columns, number
from merbench.results.metrics import METRICS

PLAIN = ("rank", "seeds", "interval", "parameters", "training", "tuning")


@dataclass(frozen=True)
class Shown:
    """One cell: its text, what it sorts by (None comes last), whether it is the best of its column."""

    text: str
    sort: float | None = None
    best: bool = False


def track_page(board: Board, scores: BoardScores, pictures: Mapping[str, str], files: Sequence[str] = (), home: str = "") -> str:
    """``pictures``: file name -> what it shows; ``files``: further files beside the page; ``home``: address of the list of boards."""
    made = sheet(board, scores, every_metric=True, variants=True)
    metrics = [m for m in METRICS if board.kind in METRICS[m].kinds]
    entries = {e.name: e for e in board.entries}
    columns = [*PLAIN[:2], *metrics, *PLAIN[2:]]
    best = {m: _best(made, m) for m in metrics}
    rows = []
    for row in made.rows:
        cells = [_cell(row, key, best) for key in columns]
        rows.append({"name": row.name, "group": row.group or "models", "opens": row.name in entries, "cells": cells})
    groups = list(dict.fromkeys(row.group or "models" for row in made.rows))
    return _render(
        "board.html",
        title=board.track.title,
        track=board.track,
        home=home,
        columns=[{"key": key, "title": _title(key, scores), "best": _direction(key)} for key in columns],
        rows=rows,
        groups=[{"name": g, "shown": not g.startswith(CLAIMS)} for g in groups],
        notes=made.notes,
        pictures=pictures,
        files=files,
        details=_script({name: _detail(entries[name], scores) for name in scores.rows if name in entries}),
    )


def index_page(boards: Sequence[tuple[str, Board, BoardScores]]) -> str:
    """``boards``: folder, board, scores."""
    told = []
    for folder, board, scores in boards:
        leaders = [n for n, s in scores.standings.items() if s.rank == 1]
        column = metric_columns([scores.metric])[0]
        best = scores.rows[leaders[0]].summary.get(scores.metric) if leaders else None
        told.append(
            {
                "folder": folder,
                "title": board.track.title,
                "leaders": leaders,
                "best": f"{column.title} {number(best.mean, column)}" if best else "",
                "models": len(scores.standings),
                "runs": sum(len(e.records) for e in board.entries),
                "rows": scores.test_rows,
            }
        )
    return _render("index.html", title="Leaderboards", boards=told)


def _render(name: str, **given: Any) -> str:
    loader = PackageLoader("merbench.report")
    env = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)

    def source(file: str) -> Markup:
        return Markup(loader.get_source(env, file)[0])

    return env.get_template(name).render(source=source, **given)


def _script(value: Any) -> Markup:
    """JSON that no browser can take for the end of its script element."""
    return Markup(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))


def _title(key: str, scores: BoardScores) -> str:
    if key == "interval":
        return f"95 % of {metric_columns([scores.metric])[0].title}"
    return key if key in PLAIN else metric_columns([key])[0].title


def _direction(key: str) -> str:
    return "" if key in PLAIN else " ↑" if METRICS[key].higher_is_better else " ↓"


def _best(made: Sheet, metric: str) -> str:
    column = metric_columns([metric])[0]
    means = [c.mean for r in made.rows if not r.group and isinstance(c := r.cells.get(metric), Cell) and c.mean is not None]
    means = [m for m in means if not math.isnan(m)]
    return number((max if METRICS[metric].higher_is_better else min)(means), column) if len(means) > 1 else ""


def _cell(row: Row, key: str, best: Mapping[str, str]) -> Shown:
    cell = row.cells.get(key, "")
    if isinstance(cell, str):
        return Shown(cell or "–", _leading(cell) if key != "tuning" else None)
    if cell.mean is None or math.isnan(cell.mean):
        return Shown("–")
    column = metric_columns([key])[0]
    text = number(cell.mean, column)
    sd = "" if cell.sd is None or math.isnan(cell.sd) else f" ± {number(cell.sd, column)}"
    return Shown(text + sd, round(cell.mean, 6), not row.group and text == best.get(key))


def _leading(text: str) -> float | None:
    """The number that a text starts with, in its unit: ``232k`` -> 232000, ``12 min`` -> 720, ``[0.9, 1.1]`` -> 0.9."""
    digits = ""
    for sign in text.lstrip("["):
        if sign not in "0123456789.-":
            break
        digits += sign
    if not digits:
        return None
    unit = text.lstrip("[")[len(digits) :].strip()
    return float(digits) * {"k": 1e3, "M": 1e6, "G": 1e9, "min": 60, "h": 3600}.get(unit, 1)


def _detail(entry: Entry, scores: BoardScores) -> dict[str, Any]:
    """What a row opens: the command, its runs with their curves, spec, provenance. Numbers rounded as one reads them."""
    metric = scores.metric
    first = entry.first
    runs = []
    for record in entry.records:
        told: dict[str, Any] = {"id": record.run_id, "seed": record.seed, "started": record.started}
        if record.fold is not None:
            told["fold"] = record.fold
        if record.metrics:
            told |= {"valid": _short(record.metrics.valid.get(metric)), "test": _short(record.metrics.test.get(metric))}
        if record.best_epoch is not None:
            told |= {"best": record.best_epoch, "curve": [_short(e.get(metric)) for e in record.history]}
        if record.cost:
            told["seconds"] = round(record.cost.seconds, 1)
        if record.error:
            told["error"] = record.error
        runs.append(told)
    standing = scores.standings.get(entry.name) or scores.ablations.get(entry.name)
    return {
        "metric": metric,
        "command": command(first.spec, sorted({r.seed for r in entry.records})),
        "runs": runs,
        "spec": first.spec.model_dump(mode="json"),
        "provenance": first.provenance,
        "source": first.source_digest,
        "contents": first.contents,
        "caveat": first.caveat,
        "tuned": first.tuned_by,
        "test": standing.model_dump() if standing else None,
    }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
