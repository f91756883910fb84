"""Curves of a score against the strength of what was done to the test rows, one panel a kind of damage."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from merbench.report.plots import STYLE

Curve = Sequence[tuple[float, float, float | None, int]]
"""Points: strength, mean, sd or None, number of seeds."""


def curves(title: str, axis: str, panels: Mapping[str, Mapping[str, Curve]]) -> bytes:
    """``panels``: damage -> model -> curve. The band is mean ± sd over seeds. SVG, the same to the byte each time.

    A model has one colour in all panels, also where some of them lack it.
    """
    with matplotlib.rc_context(STYLE):
        colours = {name: f"C{at}" for at, name in enumerate(dict.fromkeys(name for models in panels.values() for name in models))}
        figure = Figure(figsize=(1 + 3.6 * len(panels), 3.4), layout="constrained")
        for at, (what, models) in enumerate(panels.items()):
            axes = figure.add_subplot(1, len(panels), at + 1)
            for name, curve in models.items():
                strength, mean = [point[0] for point in curve], [point[1] for point in curve]
                axes.plot(strength, mean, marker="o", markersize=3, label=name, color=colours[name])
                low, high = ([m + sign * (sd or 0.0) for _, m, sd, _ in curve] for sign in (-1, 1))
                axes.fill_between(strength, low, high, color=colours[name], alpha=0.15, linewidth=0)
            axes.set_xlabel(f"strength of {what}")
            axes.grid(alpha=0.25)
            axes.legend(fontsize=8, frameon=False)
            if not at:
                axes.set_ylabel(axis)
        figure.suptitle(title, fontsize=10, x=0.01, ha="left")
        out = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None, "Creator": "merbench"})
    return out.getvalue()
