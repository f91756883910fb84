"""A board as one web page: no network, no build step, readable without scripts; opening a row needs
the few lines of ``board.js``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from merbench.api.declarations.metrics import MetricFacts
from merbench.report.scores.board_scores import BoardScores, Standing
from merbench.report.scores.entries import Board, Entry
from merbench.report.scores.pairs import Comparison
from merbench.report.site.reproduce import command
from merbench.report.tables.sheet import ABLATIONS, CLAIMS, FLOORS, OPTIMUM, Sheet, sheet
from merbench.report.tables.table import Cell, Row, number

PLAIN = ("rank", "seeds", "interval", "parameters", "training", "tuning")


@dataclass(frozen=True)
class Shown:
    """One cell: its text, what it sorts by (None comes last), if it is the best of its column."""

    text: str
    sort: float | None = None
    best: bool = False


def track_page(
    board: Board,
    scores: BoardScores,
    pictures: Mapping[str, str],
    files: Sequence[str] = (),
    home: str = "",
) -> str:
    """``pictures``: file name -> what it shows; ``files``: further files beside the page; ``home``:
    address of the list of boards.
    """
    made = sheet(board, scores, every_metric=True, variants=True)
    metrics = list(scores.metrics)
    entries = {e.name: e for e in board.entries}
    columns = ["rank", "seeds", *metrics, "parameters", "training", "tuning"]
    columns.insert(columns.index(scores.metric) + 1, "interval")
    best = {name: _best(made, metric) for name, metric in scores.metrics.items()}
    rows = []
    for row in made.rows:
        cells = [_cell(row, key, scores.metrics.get(key), best) for key in columns]
        rows.append(
            {
                "name": row.name,
                "group": row.group or "models",
                "opens": row.name in entries,
                "cells": cells,
            }
        )
    groups = list(dict.fromkeys(row.group or "models" for row in made.rows))
    return _render(
        "board.html",
        title=board.track.title,
        track=board.track,
        home=home,
        columns=[
            {"key": key, "title": _title(key, scores), "best": _direction(key, scores)}
            for key in columns
        ],
        split=_split(board, scores),
        words=_words(board, scores, groups, columns),
        rows=rows,
        groups=[{"name": g, "shown": not g.startswith(CLAIMS)} for g in groups],
        notes=made.notes,
        pictures=pictures,
        files=files,
        details=_script(
            {name: _detail(entries[name], scores) for name in scores.rows if name in entries}
        ),
    )


def index_page(boards: Sequence[tuple[str, Board, BoardScores]]) -> str:
    """``boards``: folder, board, scores."""
    told = []
    for folder, board, scores in boards:
        leaders = [n for n, s in scores.standings.items() if s.rank == 1]
        metric = scores.ranks_by
        best = scores.rows[leaders[0]].summary.get(scores.metric) if leaders else None
        told.append(
            {
                "folder": folder,
                "title": board.track.title,
                "leaders": leaders,
                "best": f"{metric.title} {number(best.mean, metric)}" if best else "",
                "models": len(scores.standings),
                "runs": sum(len(e.records) for e in board.entries),
                "rows": scores.test_rows,
            }
        )
    return _render("index.html", title="Leaderboards", boards=told)


def _render(name: str, **given: Any) -> str:
    loader = PackageLoader("merbench.report.site")
    env = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def source(file: str) -> Markup:
        return Markup(loader.get_source(env, file)[0])

    return env.get_template(name).render(source=source, **given)


def _script(value: Any) -> Markup:
    """JSON that no browser can take for the end of its script element."""
    return Markup(
        json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace(
            "<", "\\u003c"
        )
    )


def _title(key: str, scores: BoardScores) -> str:
    if key == "interval":
        return f"{scores.ranks_by.title}, 95 % interval"
    return key if key in PLAIN else scores.metrics[key].title


def _direction(key: str, scores: BoardScores) -> str:
    return "" if key in PLAIN else " ↑" if scores.metrics[key].higher_is_better else " ↓"


def _words(
    board: Board, scores: BoardScores, groups: Sequence[str], columns: Sequence[str]
) -> dict[str, str]:
    """What a stranger has to know of the groups of rows that there are, and of each column."""
    kinds = {
        "models": (
            "ranked against each other; "
            "a row is one model with one setting, trained anew for each seed"
        ),
        ABLATIONS: (
            "a model with one thing taken out or changed, tested against the full model; not ranked"
        ),
        FLOORS: "simple predictors that a model should beat; not ranked",
        OPTIMUM: (
            "the best possible predictor that sees no more than this; "
            "known, since the data are generated"
        ),
    }
    plain = {
        "rank": (
            f"by {_title(scores.metric, scores)}: 1 + the number of rows that are significantly "
            "better; = marks those not separated from the best (see Notes)"
        ),
        "seeds": "how often a row was trained; the runs differ in their random numbers alone",
        "interval": (
            "where the mean would lie with other seeds and other test videos (bootstrap over "
            "both). They may overlap though two rows differ, for models see the same test rows: "
            "differences are tested in pairs"
        ),
        "parameters": "weights of the model, frozen ones too; 0 where none is trained by gradient",
        "training": "time that one seed took, all its folds together",
        "tuning": (
            "settings that were tried, judged by validation rows alone, "
            "and the time of all trials; empty for settings not searched"
        ),
    }
    told = {group: kinds[group] for group in groups if group in kinds}
    if len({e.first.tuned_by is None for e in board.entries if not e.floor}) == 2:
        told["tuned, untuned"] = "settings that a search found, and default settings"
    for key in columns:
        if metric := scores.metrics.get(key):
            unit = "in %, " if metric.scale == 100 else ""
            plain[key] = (
                f"{metric.summary.replace('acc2_', 'Acc-2 ')} "
                f"({unit}{'higher' if metric.higher_is_better else 'lower'} is better)"
            )
        told[_title(key, scores)] = plain[key]
    return told | (
        {"y, p": "target and prediction of a row"} if board.kind in ("score", "joint") else {}
    )


def _split(board: Board, scores: BoardScores) -> str:
    """What the protocol trains, chooses and tests on."""
    held = max(scores.rows.values(), key=lambda r: r.rows, default=None)
    test = f"{held.rows} test rows of {held.videos} videos" if held else "no scored rows"
    if folds := len({r.fold for e in board.entries for r in e.records} - {None}):
        return f"{folds} folds, whose {test} are scored as one set"
    counts = board.entries[0].first.counts
    return f"{counts['train']} train and {counts['valid']} validation rows, {test}"


def _best(made: Sheet, metric: MetricFacts) -> str:
    means = [
        c.mean
        for r in made.rows
        if not r.group and isinstance(c := r.cells.get(metric.name), Cell) and c.mean is not None
    ]
    means = [m for m in means if not math.isnan(m)]
    return (
        number((max if metric.higher_is_better else min)(means), metric) if len(means) > 1 else ""
    )


def _cell(row: Row, key: str, metric: MetricFacts | None, best: Mapping[str, str]) -> Shown:
    cell = row.cells.get(key, "")
    if isinstance(cell, str):
        return Shown(cell or "–", _leading(cell) if key != "tuning" else None)
    if cell.mean is None or math.isnan(cell.mean) or metric is None:
        return Shown("–")
    text = number(cell.mean, metric)
    sd = "" if cell.sd is None or math.isnan(cell.sd) else f" ± {number(cell.sd, metric)}"
    return Shown(text + sd, round(cell.mean, 6), not row.group and text == best.get(key))


def _leading(text: str) -> float | None:
    """The number that a text starts with, in its unit: ``232k`` -> 232000, ``12 min`` -> 720,
    ``[0.9, 1.1]`` -> 0.9.
    """
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
    """What a row opens: the command, its runs with their curves, spec, provenance. Numbers rounded
    as one reads them.
    """
    metric, column = scores.metric, scores.ranks_by
    first = entry.first
    runs = []
    for record in entry.records:
        told: dict[str, Any] = {"id": record.run_id, "seed": record.seed, "started": record.started}
        if record.fold is not None:
            told["fold"] = record.fold
        if record.metrics:
            told |= {
                k: None if v is None else number(v, column)
                for k, v in (
                    ("valid", record.metrics.valid.get(metric)),
                    ("test", record.metrics.test.get(metric)),
                )
            }
        if record.best_epoch is not None:
            told |= {
                "best": record.best_epoch,
                "curve": [_short(e.get(metric), column.scale) for e in record.history],
            }
        if record.cost:
            told["seconds"] = round(record.cost.seconds, 1)
        if record.error:
            told["error"] = record.error
        runs.append(told)
    standing = scores.standings.get(entry.name) or scores.ablations.get(entry.name)
    return {
        "metric": column.title,
        "command": command(first.spec, sorted({r.seed for r in entry.records})),
        "runs": runs,
        "spec": first.spec.model_dump(mode="json"),
        "provenance": first.provenance,
        "source": first.source_digest,
        "contents": first.contents,
        "caveat": first.caveat,
        "tuned": first.tuned_by,
        "test": _compared(standing, column) if standing else None,
    }


def _compared(test: Comparison, column: MetricFacts) -> str:
    """The test behind a rank or an ablation as a sentence."""
    rank = f"Rank {test.rank}. " if isinstance(test, Standing) else ""
    if test.difference is None or test.p is None or test.p_adjusted is None:
        return rank + (f"Not tested against {test.against}." if test.against else "The best row.")
    mean, low, high = (number(v, column) for v in test.difference)
    verdict = "significant" if test.significant else "not significant"
    return (
        f"{rank}{column.title} minus that of {test.against}: "
        f"{mean}, 95 % interval [{low}, {high}], "
        f"sign-flip p = {test.p:.3g} over seeds, corrected p = {test.p_adjusted:.3g}: {verdict}."
    )


def _short(value: float | None, scale: float) -> float | None:
    return None if value is None else float(f"{scale * value:.4g}")
