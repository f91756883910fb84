"""Score against what a model costs: which models are worth their cost."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from merbench.report.pictures.axes_layout import headline, margins, width
from merbench.report.pictures.plots import FAINT, STYLE, Line, folded, svg
from merbench.report.tables.board_sheet import count

Costs = Mapping[str, tuple[float, Line]]
"""Name of a model -> its cost, its score."""
BESIDE = 1.04
"""Where names stand, in widths of the axes."""
NAME = 0.28
"""Inches that a name of two lines takes from top to bottom."""
TALL = 3.4
"""Inches of the axes, unless more names need more."""
MARKS = "dot: mean over seeds; line: its 95 % interval\nstairs: no cheaper model has a better score"


def front(models: Costs, higher_is_better: bool) -> list[str]:
    """The models that none of at most their cost equals or beats (the Pareto front), the cheapest
    first. Of equals the first.
    """
    sign = -1 if higher_is_better else 1
    best, names = math.inf, []
    for name, (_, line) in sorted(
        models.items(), key=lambda model: (model[1][0], sign * model[1][1].mean)
    ):
        if sign * line.mean < best:
            best = sign * line.mean
            names.append(name)
    return names


def against(
    title: str,
    across: str,
    axis: str,
    models: Costs,
    stairs: Sequence[str],
    named: Collection[str],
) -> bytes:
    """A dot a model, its cost on a logarithmic scale, and stairs through the Pareto front; those
    that are ``named`` with their interval, and their names in a column of their own.
    """
    with matplotlib.rc_context(STYLE):
        bottom, top = 0.82, 0.35
        tall = max(TALL, NAME * len(named))
        figure = Figure(figsize=(8, bottom + tall + top))
        names = {name: folded(name) for name in named}
        margins(figure, left=0.75, right=width(names.values(), 8) + 0.2, bottom=bottom, top=top)
        headline(figure, title)
        axes = figure.subplots()
        costs = [cost for cost, _ in models.values()]
        _logarithmic(axes, costs)
        ends = [(models[n][0], *line.ends) for n in named if (line := models[n][1]).ends]
        if ends:
            axes.vlines(*zip(*ends, strict=True), color=FAINT, linewidth=1, zorder=2)
        means = [line.mean for _, line in models.values()]
        axes.scatter(costs, means, s=28, color="tab:blue", alpha=0.7, linewidths=0, zorder=4)
        _stairs(axes, [(models[name][0], models[name][1].mean) for name in stairs])
        _name(
            axes, {label: (models[name][0], models[name][1].mean) for name, label in names.items()}
        )
        axes.set_xlabel(f"{across}\n{MARKS}")
        axes.set_ylabel(axis)
        axes.grid(alpha=0.25)
        return svg(figure)


def _logarithmic(axes: Axes, costs: Sequence[float]) -> None:
    low, high = min(costs), max(costs)
    ratio = high / low
    subs = (1, 1.5, 2, 3, 5, 7) if ratio < 30 else (1, 2, 5) if ratio < 1000 else (1,)
    axes.set_xscale("log")
    # A factor of four at least, and a twentieth more at each end.
    middle, reach = math.sqrt(low * high), max(ratio, 4) ** 0.55
    axes.set_xlim(middle / reach, middle * reach)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(lambda value, _: count(value))
    axes.xaxis.set_minor_locator(NullLocator())


def _stairs(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """To the right end of the axes: what is bought for more than the dearest is no better."""
    costs, means = zip(*points, (axes.get_xlim()[1], points[-1][1]), strict=True)
    axes.step(costs, means, where="post", color="tab:blue", linewidth=1.4, zorder=3)


def _name(axes: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """The names of points beside the axes, and a line from each to its own.

    A line of two ends costs a hundredth of what one of matplotlib's arrows does.
    """
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
    beside = left * (right / left) ** BESIDE
    order = sorted(points, key=lambda name: points[name][1])
    places = [(points[name][1] - low) / (high - low) for name in order]
    step = 1 / max(len(points), TALL / NAME)
    for name, place in zip(order, apart(places, step), strict=True):
        cost, mean = points[name]
        height = low + place * (high - low)
        ends = [cost, beside], [mean, height]
        axes.plot(*ends, color="tab:blue", linewidth=0.6, alpha=0.6, clip_on=False)
        offset: Any = {"xytext": (2, 0), "textcoords": "offset points", "annotation_clip": False}
        axes.annotate(name, (beside, height), **offset, va="center", fontsize=8)


def apart(places: Sequence[float], step: float) -> list[float]:
    """Ascending ``places`` in [0, 1] moved as little as can be so that each is ``step`` above the
    one before; inside [0, 1], where that many fit.

    What would touch is one block around the mean of its places.
    """
    blocks: list[tuple[float, int]] = []
    for at, place in enumerate(places):
        total, size = place - at * step, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / size:
            total, size = total + blocks[-1][0], size + blocks.pop()[1]
        blocks.append((total, size))
    starts = [total / size for total, size in blocks for _ in range(size)]
    return [
        max(0, min(start, 1 - (len(starts) - 1) * step)) + at * step
        for at, start in enumerate(starts)
    ]
