"""Pictures of a board, as SVG that is the same to the byte each time with one version of matplotlib
(which stands in the file).
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from merbench.report.pictures.axes_layout import headline, margins, width
from merbench.report.pictures.compact_svg import compact
from merbench.report.pictures.themes import DRAWN_BY, themed

STYLE: Any = {
    # A user's own settings would make other pictures of a board than its maker's.
    **{k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")},
    "svg.hashsalt": "merbench",
    "svg.fonttype": "none",
    # A "$" in a name is a "$".
    "text.parse_math": False,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
CREATOR = DRAWN_BY + matplotlib.__version__
FAINT = "0.55"
LONG = 28
"""Characters of a name that stand on one line."""
MOST_RIGHT = 2.0
"""Inches that names of floors take from the axes at most."""
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Signs that no XML file may hold, however they are written."""


class Line(NamedTuple):
    """One model: its score a seed, and the ends of the interval of their mean if there is one."""

    values: Sequence[float]
    ends: tuple[float, float] | None = None

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)


def svg(figure: Figure) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        # Of glyphs that the reader's program has and this one lacks, and of long names.
        warnings.simplefilter("ignore", UserWarning)
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
    return themed(compact(_NOT_XML.sub("\ufffd", out.getvalue().decode()), CREATOR)).encode()


def scores(
    title: str,
    axis: str,
    models: Mapping[str, Line],
    floors: Mapping[str, float],
    optimum: Mapping[str, float] | None = None,
    legend: str = "dot: a seed; tick: their mean; line: its 95 % interval",
) -> bytes:
    """One line a model, from best to worst: a dot a seed, the mean and its interval; floors dashed,
    best possible scores dotted.

    ``legend``: what the marks mean, under the axis.
    """
    with matplotlib.rc_context(STYLE):
        across = [(value, name, "--", "tab:red") for name, value in floors.items()]
        across += [
            (value, f"best given {name}", ":", "darkgreen")
            for name, value in (optimum or {}).items()
        ]
        last = [name for _, name, *_ in sorted(across)[-2:]]
        right = 0.15 + min(width(last, 8), MOST_RIGHT)
        figure, axes = _rows(title, models, top=0.75 if across else 0.33, right=right)
        for at, line in enumerate(models.values()):
            if line.ends:
                axes.plot(line.ends, [at, at], color=FAINT, linewidth=1.2, zorder=3)
            axes.plot([line.mean] * 2, [at - 0.3, at + 0.3], color="black", linewidth=1.8, zorder=4)
            if len(line.values) > 1:
                axes.scatter(
                    line.values,
                    [at] * len(line.values),
                    s=16,
                    alpha=0.6,
                    color="tab:blue",
                    linewidths=0,
                    zorder=5,
                )
        _verticals(axes, sorted(across))
        axes.set_xlabel(f"{axis}\n{legend}")
        return svg(figure)


def _verticals(axes: Axes, lines: Sequence[tuple[float, str, str, str]]) -> None:
    """``lines``: value, name, style, colour, by value. Names stand above, in three heights."""
    for at, (value, name, style, colour) in enumerate(lines):
        axes.axvline(value, color=colour, linestyle=style, linewidth=1)
        place: Any = {
            "xy": (value, 1),
            "xytext": (2, 2 + 10 * (at % 3)),
            "xycoords": ("data", "axes fraction"),
        }
        axes.annotate(name, **place, textcoords="offset points", fontsize=8, color=colour)


def forest(title: str, axis: str, rows: Mapping[str, tuple[float, float, float, bool]]) -> bytes:
    """Differences from a full model: ``rows``: ablation -> mean, low, high, whether it is
    significant (then filled).
    """
    with matplotlib.rc_context(STYLE):
        figure, axes = _rows(title, rows, top=0.33, right=0.15)
        for at, (mean, low, high, significant) in enumerate(rows.values()):
            axes.plot([low, high], [at, at], color="tab:blue", linewidth=1.6)
            axes.scatter(
                [mean],
                [at],
                s=34,
                zorder=3,
                color="tab:blue" if significant else "white",
                edgecolors="tab:blue",
            )
        axes.axvline(0, color="black", linewidth=1)
        axes.set_xlabel(
            f"{axis}\ndot: mean difference, filled where it is significant; line: its 95 % interval"
        )
        return svg(figure)


def calibration(title: str, models: Mapping[str, Sequence[tuple[float, float]]]) -> bytes:
    """Mean target against mean prediction of equally large groups of rows, by predicted score; a
    calibrated model lies on the diagonal.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.4), layout="constrained")
        axes = figure.subplots()
        for name, points in models.items():
            axes.plot(
                [p for p, _ in points], [y for _, y in points], marker="o", markersize=4, label=name
            )
        ends = [v for points in models.values() for pair in points for v in pair]
        axes.plot(
            [min(ends), max(ends)],
            [min(ends), max(ends)],
            color="black",
            linewidth=1,
            linestyle=":",
        )
        axes.set_xlabel("mean prediction")
        axes.set_ylabel("mean target")
        axes.set_title(title, fontsize=10, loc="left")
        legend(axes, axes.lines[: len(models)])
        axes.grid(alpha=0.25)
        return svg(figure)


def legend(axes: Axes, lines: Sequence[Line2D]) -> None:
    """Of these lines; by itself matplotlib leaves out those whose names begin with "_"."""
    names = [str(line.get_label()) for line in lines]
    axes.legend(lines, names, fontsize=8, frameon=False)


def folded(name: str) -> str:
    """A long name with what stands in parentheses on a line of its own."""
    return name.replace(" (", "\n(", 1) if len(name) > LONG else name


def _rows(title: str, names: Iterable[str], *, top: float, right: float) -> tuple[Figure, Axes]:
    """The axes of one horizontal line a name, the first on top; ``top`` and ``right``: margins in
    inches.
    """
    names = list(names)
    lines = [folded(name) for name in names]
    size = 8 if lines != names else 10
    bottom = 0.65
    figure = Figure(figsize=(8, bottom + 0.34 * len(names) + top))
    margins(figure, left=width(lines, size) + 0.15, right=right, bottom=bottom, top=top)
    headline(figure, title)
    axes = figure.subplots()
    axes.set_yticks(range(len(names)), lines, fontsize=size)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.25)
    return figure, axes
