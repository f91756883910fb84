"""Which pictures a board has: those for which there is material."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from merbench.report.pictures import plots
from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board, Entry
from merbench.report.tables.sheet import parameters, training_seconds

T = TypeVar("T")
PANELS = 12
"""More models than this are too many panels for one picture of learning curves."""


def pictures(
    board: Board, scores: BoardScores, extras: Mapping[str, Any]
) -> dict[str, tuple[bytes, str]]:
    """File name -> SVG and what it shows in words."""
    metric, title = scores.metric, board.title
    facts = scores.ranks_by
    name, scale = facts.title, facts.scale
    better = "higher is better" if facts.higher_is_better else "lower is better"
    axis = f"test {name} ({'%, ' if scale == 100 else ''}{better})"
    entries = {e.name: e for e in board.entries}
    lines = {n: line for n in scores.standings if (line := _line(scores, n, scale))}
    floors = {
        n: line.mean for n, e in entries.items() if e.floor and (line := _line(scores, n, scale))
    }
    drawn_pictures: dict[str, tuple[bytes, str]] = {}
    titles = board.short_titles
    if lines:
        best = {given: scale * s[metric] for given, s in scores.optimum.items() if metric in s}
        words = (
            f"{name} of each model: every seed, the mean and its 95 % interval; "
            "floors as dashed lines"
        )
        words += ", best possible scores as dotted ones" if best else ""
        drawn_pictures["scores.svg"] = (
            plots.scores(title, axis, _titled(lines, titles), floors, best),
            words,
        )
        for file, across, cost in (
            ("parameters.svg", "parameters", parameters),
            ("cost.svg", "training of a seed in seconds", training_seconds),
        ):
            drawn = {
                n: (float(cost(entries[n])), line)
                for n, line in lines.items()
                if cost(entries[n]) > 0
            }
            if drawn:
                drawn_pictures[file] = (
                    plots.against(title, across, axis, _titled(drawn, titles)),
                    f"{name} against {across}",
                )
    if scores.ablations:
        rows = {
            n: (scale * mean, scale * low, scale * high, s.significant)
            for n, s in sorted(scores.ablations.items())
            if s.difference
            for mean, low, high in [s.difference]
        }
        if rows:
            words = (
                f"{name} of each ablation minus that of its full model, with 95 % intervals; "
                "filled dots are significant"
            )
            side = "right" if facts.higher_is_better else "left"
            drawn_pictures["ablations.svg"] = (
                plots.forest(
                    title,
                    f"test {name}, ablation minus full model ({side} of 0: the ablation is better)",
                    _titled(rows, titles),
                ),
                words,
            )
    curves = {
        n: c for n in list(scores.standings)[:PANELS] if (c := _curves(entries[n], metric, scale))
    }
    if curves:
        words = f"{name} on validation rows by epoch, a line a run"
        words += (
            f"; the first {PANELS} of {len(scores.standings)} models"
            if len(scores.standings) > PANELS
            else ""
        )
        drawn_pictures["learning.svg"] = (
            plots.learning(title, f"{name} on validation rows ({better})", _titled(curves, titles)),
            words,
        )
    return drawn_pictures | _extra(title, axis, metric, scale, extras)


def _titled(by_name: Mapping[str, T], titles: Mapping[str, str]) -> dict[str, T]:
    return {titles.get(name, name): value for name, value in by_name.items()}


def _line(scores: BoardScores, name: str, scale: float) -> plots.Line | None:
    row = scores.rows.get(name)
    values = (
        [scale * v for s in row.seeds.values() if (v := s.get(scores.metric)) is not None]
        if row
        else []
    )
    ends = row.intervals.get(scores.metric) if row else None
    return (
        plots.Line(values, (scale * ends[0], scale * ends[1]) if ends else None) if values else None
    )


def _curves(entry: Entry, metric: str, scale: float) -> list[list[float]]:
    return [
        c
        for r in entry.done
        if (c := [scale * e[metric] for e in r.history if e.get(metric) is not None])
    ]


def _extra(
    title: str, axis: str, metric: str, scale: float, extras: Mapping[str, Any]
) -> dict[str, tuple[bytes, str]]:
    drawn_pictures: dict[str, tuple[bytes, str]] = {}
    if report := extras.get("generalise"):
        lines = {
            model["name"]: s
            for model in report["test"]
            if (s := model.get("summary", {}).get(metric))
        }
        if lines:
            drawn = {
                n: plots.Line([scale * s["mean"]], _spread(s, scale)) for n, s in lines.items()
            }
            words = (
                "trained models read out with other label words, without further training: "
                "mean ± sd over seeds. "
            )
            words += "; ".join(
                [
                    "own labels: those of training",
                    *(f"{n}: {', '.join(v['words'])}" for n, v in report["labels"].items()),
                ]
            )
            without = [model["name"] for model in report["test"] if "reason" in model]
            words += (
                f". No score (generalise.json says why): {', '.join(without)}" if without else ""
            )
            marks = "tick: mean over seeds; line: mean ± sd"
            drawn_pictures["generalise.svg"] = (
                plots.scores(f"{title} · other label words", axis, drawn, {}, legend=marks),
                words,
            )
    if report := extras.get("robust"):
        panels: dict[str, dict[str, list[tuple[float, float, float | None, int]]]] = {}
        for model, by_kind in report["curves"].items():
            for modality, points in by_kind.items():
                panels.setdefault(modality, {})[model] = [
                    (
                        p["strength"],
                        scale * p["mean"],
                        None if p["sd"] is None else scale * p["sd"],
                        p["n"],
                    )
                    for p in points
                ]
        if panels:
            from merbench.report.pictures.curves import curves

            drawn_pictures["robust.svg"] = (
                curves(title, axis, panels),
                (
                    "scores on damaged test rows by strength of the damage, 0 = undamaged; bands: "
                    "mean ± sd over seeds"
                ),
            )
    return drawn_pictures


def _spread(summary: Mapping[str, Any], scale: float) -> tuple[float, float] | None:
    sd = summary.get("sd")
    return None if sd is None else (scale * (summary["mean"] - sd), scale * (summary["mean"] + sd))
