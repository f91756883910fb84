"""Which pictures a board has: those for which there is material."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, TypeVar

from merbench.api.declarations.metrics import MetricFacts
from merbench.report.pictures import plots
from merbench.report.pictures.against_cost import against, front
from merbench.report.pictures.learning_curves import learning
from merbench.report.pictures.picture_cache import KeptPictures
from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board, Entry
from merbench.report.tables.board_sheet import trainable, training_seconds

T = TypeVar("T")
Pictures = dict[str, tuple[bytes, str]]
"""File name -> SVG and what it shows in words."""
PANELS = 12
"""More models than this are too many panels for one picture of learning curves."""
NAMED = 60
"""More names than this are too many for one picture."""
NAMED_AGAINST_COST = 12
"""Lines from more dots than these to their names cross each other too often to be followed."""


@dataclass(frozen=True)
class _Drawn:
    """A board as pictures need it; ``lines`` from best to worst."""

    board: Board
    scores: BoardScores
    kept: KeptPictures

    @property
    def facts(self) -> MetricFacts:
        return self.scores.ranks_by

    @property
    def better(self) -> str:
        return "higher is better" if self.facts.higher_is_better else "lower is better"

    @property
    def axis(self) -> str:
        percent = "%, " if self.facts.scale == 100 else ""
        return f"test {self.facts.title} ({percent}{self.better})"

    @cached_property
    def lines(self) -> dict[str, plots.Line]:
        return self._lines(self.scores.standings)

    @cached_property
    def floors(self) -> dict[str, float]:
        floors = self._lines(entry.name for entry in self.board.entries if entry.floor)
        return {name: line.mean for name, line in floors.items()}

    def _lines(self, names: Iterable[str]) -> dict[str, plots.Line]:
        lines = ((name, _line(self.scores, name, self.facts.scale)) for name in names)
        return {name: line for name, line in lines if line}

    def titled(self, by_name: Mapping[str, T]) -> dict[str, T]:
        titles = self.board.short_titles
        return {titles.get(name, name): value for name, value in by_name.items()}

    def first(self, most: int, count: int) -> str:
        """What a picture says that shows ``most`` of ``count`` models at most."""
        return f"; the first {most} of {count} models" if count > most else ""


def pictures(
    board: Board,
    scores: BoardScores,
    extras: Mapping[str, Any],
    kept: KeptPictures | None = None,
) -> Pictures:
    """``kept``: where those are that were drawn before."""
    drawn = _Drawn(board, scores, kept or KeptPictures())
    return {
        **_scores(drawn),
        **_against_costs(drawn),
        **_ablations(drawn),
        **_learning(drawn),
        **_generalise(drawn, extras.get("generalise")),
        **_robust(drawn, extras.get("robust")),
    }


def _scores(drawn: _Drawn) -> Pictures:
    if not drawn.lines:
        return {}
    facts, optimum = drawn.facts, drawn.scores.optimum
    best = {given: facts.scale * s[facts.name] for given, s in optimum.items() if facts.name in s}
    words = (
        f"{facts.title} of each model: every seed, the mean and its 95 % interval; "
        "floors as dashed lines"
    )
    words += ", best possible scores as dotted ones" if best else ""
    words += drawn.first(NAMED, len(drawn.lines))
    lines = drawn.titled(dict(islice(drawn.lines.items(), NAMED)))
    picture = drawn.kept.drawn(
        plots.scores, drawn.board.title, drawn.axis, lines, drawn.floors, best
    )
    return {"scores.svg": (picture, words)}


def _against_costs(drawn: _Drawn) -> Pictures:
    """All models as dots; where these are many, the names of the Pareto front alone."""
    of_file = {
        "parameters.svg": ("trainable parameters", trainable),
        "cost.svg": ("training of a seed, seconds by the clock", training_seconds),
    }
    pictures: Pictures = {}
    for file, (across, cost_of) in of_file.items():
        costs = {name: float(cost_of(drawn.board.by_name[name])) for name in drawn.lines}
        points = drawn.titled({n: (cost, drawn.lines[n]) for n, cost in costs.items() if cost > 0})
        if points:
            stairs = front(points, drawn.facts.higher_is_better)
            named = list(points) if len(points) <= NAMED_AGAINST_COST else stairs
            picture = drawn.kept.drawn(
                against, drawn.board.title, across, drawn.axis, points, stairs, named
            )
            words = f"{drawn.facts.title} against {across}; no cheaper model beats "
            pictures[file] = picture, words + ", ".join(stairs)
    return pictures


def _ablations(drawn: _Drawn) -> Pictures:
    facts = drawn.facts
    rows = dict[str, tuple[float, float, float, bool]]()
    for name, comparison in sorted(drawn.scores.ablations.items()):
        if comparison.difference:
            mean, low, high = (facts.scale * value for value in comparison.difference)
            rows[name] = mean, low, high, comparison.significant
    if not rows:
        return {}
    words = (
        f"{facts.title} of each ablation minus that of its full model, with 95 % intervals; "
        "filled dots are significant"
    )
    side = "right" if facts.higher_is_better else "left"
    axis = f"test {facts.title}, ablation minus full model ({side} of 0: the ablation is better)"
    picture = drawn.kept.drawn(plots.forest, drawn.board.title, axis, drawn.titled(rows))
    return {"ablations.svg": (picture, words)}


def _learning(drawn: _Drawn) -> Pictures:
    facts, names = drawn.facts, list(drawn.scores.standings)
    curves = {}
    for name in names[:PANELS]:
        if of_model := _curves(drawn.board.by_name[name], facts.name, facts.scale):
            curves[name] = of_model
    if not curves:
        return {}
    words = f"{facts.title} on validation rows by epoch, a line a run"
    words += drawn.first(PANELS, len(names))
    axis = f"{facts.title} on validation rows ({drawn.better})"
    picture = drawn.kept.drawn(learning, drawn.board.title, axis, drawn.titled(curves))
    return {"learning.svg": (picture, words)}


def _line(scores: BoardScores, name: str, scale: float) -> plots.Line | None:
    row = scores.rows.get(name)
    if row is None:
        return None
    of_seeds = [seed.get(scores.metric) for seed in row.seeds.values()]
    values = [scale * value for value in of_seeds if value is not None]
    ends = row.intervals.get(scores.metric)
    scaled = (scale * ends[0], scale * ends[1]) if ends else None
    return plots.Line(values, scaled) if values else None


def _curves(entry: Entry, metric: str, scale: float) -> list[list[float]]:
    """The validation score by epoch of each run that has one."""
    curves = []
    for record in entry.done:
        values = [epoch[metric] for epoch in record.history if epoch.get(metric) is not None]
        if values:
            curves.append([scale * value for value in values])
    return curves


def _generalise(drawn: _Drawn, report: Mapping[str, Any] | None) -> Pictures:
    """``report``: what ``merbench generalise`` found, if it was run."""
    if not report:
        return {}
    facts, lines = drawn.facts, dict[str, plots.Line]()
    for model in report["test"]:
        summary = model.get("summary", {}).get(facts.name)
        if summary and summary["mean"] is not None:
            mean = facts.scale * summary["mean"]
            lines[model["name"]] = plots.Line([mean], _spread(summary, facts.scale))
    if not lines:
        return {}
    spaces = [f"{name}: {', '.join(space['words'])}" for name, space in report["labels"].items()]
    words = (
        "trained models read out with other label words, without further training: "
        f"mean ± sd over seeds. {'; '.join(['own labels: those of training', *spaces])}"
    )
    if without := [model["name"] for model in report["test"] if "reason" in model]:
        words += f". No score (generalise.json says why): {', '.join(without)}"
    title, marks = (
        f"{drawn.board.title} · other label words",
        "tick: mean over seeds; line: mean ± sd",
    )
    picture = drawn.kept.drawn(plots.scores, title, drawn.axis, lines, {}, None, marks)
    return {"generalise.svg": (picture, words)}


def _robust(drawn: _Drawn, report: Mapping[str, Any] | None) -> Pictures:
    """``report``: what ``merbench robust`` found, if it was run."""
    if not report:
        return {}
    from merbench.report.pictures.damage_curves import curves

    scale = drawn.facts.scale
    panels: dict[str, dict[str, list[tuple[float, float, float | None, int]]]] = {}
    for model, by_kind in report["curves"].items():
        for modality, points in by_kind.items():
            panels.setdefault(modality, {})[model] = [
                (
                    point["strength"],
                    scale * point["mean"],
                    None if point["sd"] is None else scale * point["sd"],
                    point["n"],
                )
                for point in points
            ]
    if not panels:
        return {}
    words = (
        "scores on damaged test rows by strength of the damage, 0 = undamaged; bands: "
        "mean ± sd over seeds"
    )
    picture = drawn.kept.drawn(curves, drawn.board.title, drawn.axis, panels)
    return {"robust.svg": (picture, words)}


def _spread(summary: Mapping[str, Any], scale: float) -> tuple[float, float] | None:
    sd = summary.get("sd")
    return None if sd is None else (scale * (summary["mean"] - sd), scale * (summary["mean"] + sd))
