"""Which pictures a board has: those for which there is material."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merbench.report import plots
from merbench.report.entries import Board, Entry
from merbench.report.scores import BoardScores
from merbench.report.sheet import parameters, training_seconds
from merbench.report.tables import metric_columns

PANELS = 12
"""More models than this are too many panels for one picture of learning curves."""


def pictures(board: Board, scores: BoardScores, extras: Mapping[str, Any]) -> dict[str, tuple[bytes, str]]:
    """File name -> SVG and what it shows in words."""
    metric, title = scores.metric, board.track.title
    name = metric_columns([metric])[0].title
    axis = f"test {name}"
    entries = {e.name: e for e in board.entries}
    lines = {n: line for n in scores.standings if (line := _line(scores, n))}
    floors = {n: line.mean for n, e in entries.items() if e.floor and (line := _line(scores, n))}
    made: dict[str, tuple[bytes, str]] = {}
    if lines:
        best = {given: s[metric] for given, s in scores.optimum.items() if metric in s}
        words = f"{name} of each model: every seed, the mean and its 95 % interval; floors as dashed lines"
        made["scores.svg"] = plots.scores(title, axis, lines, floors, best), words
        for file, across, cost in (
            ("parameters.svg", "parameters", parameters),
            ("cost.svg", "seconds of training a seed", training_seconds),
        ):
            drawn = {n: (float(cost(entries[n])), line) for n, line in lines.items() if cost(entries[n]) > 0}
            if drawn:
                made[file] = plots.against(title, across, axis, drawn), f"{name} against {across}"
    if scores.ablations:
        rows = {n: (*s.difference, s.significant) for n, s in sorted(scores.ablations.items(), key=lambda item: item[0]) if s.difference}
        if rows:
            words = f"{name} of each ablated variant less that of its full model, with 95 % intervals; filled dots are significant"
            made["ablations.svg"] = plots.forest(title, f"{axis}, variant less full model", rows), words
    curves = {n: c for n in list(scores.standings)[:PANELS] if (c := _curves(entries[n], metric))}
    if curves:
        made["learning.svg"] = plots.learning(title, f"valid {name}", curves), f"{name} on validation rows by epoch, a line a run"
    return made | _extra(title, axis, metric, extras)


def _line(scores: BoardScores, name: str) -> plots.Line | None:
    held = scores.rows.get(name)
    values = [v for s in held.seeds.values() if (v := s.get(scores.metric)) is not None] if held else []
    return plots.Line(values, held.intervals.get(scores.metric)) if held and values else None


def _curves(entry: Entry, metric: str) -> list[list[float]]:
    return [c for r in entry.done if (c := [e[metric] for e in r.history if e.get(metric) is not None])]


def _extra(title: str, axis: str, metric: str, extras: Mapping[str, Any]) -> dict[str, tuple[bytes, str]]:
    made: dict[str, tuple[bytes, str]] = {}
    if told := extras.get("generalise"):
        lines = {one["name"]: s for one in told["test"] if (s := one.get("summary", {}).get(metric))}
        if lines:
            drawn = {n: plots.Line([s["mean"]], _spread(s)) for n, s in lines.items()}
            words = "trained models read out with other label words, without further training: mean ± sd over seeds"
            made["generalise.svg"] = plots.scores(f"{title} · other label words", axis, drawn, {}), words
    if told := extras.get("robust"):
        panels: dict[str, dict[str, list[tuple[float, float, float | None, int]]]] = {}
        for model, by_kind in told["curves"].items():
            for what, points in by_kind.items():
                panels.setdefault(what, {})[model] = [(p["strength"], p["mean"], p["sd"], p["n"]) for p in points]
        if panels:
            from merbench.report.plots_curves import curves

            made["robust.svg"] = curves(title, axis, panels), "scores on damaged test rows by strength of the damage, mean ± sd over seeds"
    return made


def _spread(summary: Mapping[str, Any]) -> tuple[float, float] | None:
    sd = summary.get("sd")
    return None if sd is None else (summary["mean"] - sd, summary["mean"] + sd)
