"""Curves of a score against the strength of what was done to the test rows, one panel a kind of
damage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.figure import Figure

from merbench.report.pictures.plots import STYLE, legend, svg

Curve = Sequence[tuple[float, float, float | None, int]]
"""Points: strength, mean, sd or None, number of seeds."""

STRENGTH = {
    "drop": "share of rows without it",
    "mask": "share of its words or steps taken out",
    "noise": "sd of noise / sd of feature",
}
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
"""Okabe and Ito's, which colour-blind readers can distinguish; markers differ too."""
MARKERS = "osD^vPX"


def curves(title: str, axis: str, panels: Mapping[str, Mapping[str, Curve]]) -> bytes:
    """``panels``: damage -> model -> curve. The band is mean ± sd over seeds. SVG, the same to the
    byte each time.

    A model has one colour and marker in all panels, also where some of them lack it. Panels share
    their scale.
    """
    with matplotlib.rc_context(STYLE):
        names = dict.fromkeys(name for models in panels.values() for name in models)
        looks = {
            name: (COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)])
            for at, name in enumerate(names)
        }
        figure = Figure(figsize=(1 + 3.6 * len(panels), 3.6), layout="constrained")
        grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for at, (axes, (damage, models)) in enumerate(zip(grid, panels.items(), strict=True)):
            for name, curve in models.items():
                colour, marker = looks[name]
                strength, mean = [point[0] for point in curve], [point[1] for point in curve]
                axes.plot(
                    strength,
                    mean,
                    marker=marker,
                    markersize=4,
                    linewidth=1.2,
                    label=name,
                    color=colour,
                )
                low, high = ([m + sign * (sd or 0.0) for _, m, sd, _ in curve] for sign in (-1, 1))
                axes.fill_between(strength, low, high, color=colour, alpha=0.1, linewidth=0)
            axes.set_xlabel(f"{damage}: {STRENGTH[damage.partition('=')[2]]}", fontsize=9)
            axes.grid(alpha=0.25)
            legend(axes, axes.lines)
            if not at:
                axes.set_ylabel(axis)
        figure.suptitle(title, fontsize=10, x=0.01, ha="left")
        return svg(figure)
