"""The validation score of each run by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from merbench.report.pictures.axes_layout import margins
from merbench.report.pictures.plots import STYLE, folded, svg


def learning(title: str, axis: str, models: Mapping[str, Sequence[Sequence[float]]]) -> bytes:
    """Validation score by epoch, a panel a model and a line a run."""
    with matplotlib.rc_context(STYLE):
        wide = min(4, len(models))
        high = -(-len(models) // wide)
        width, height = max(7, 2.6 * wide + 0.6), 1.9 * high + 1.2
        figure = Figure(figsize=(width, height))
        margins(figure, left=0.5, right=0.1, bottom=0.5, top=0.9)
        figure.subplots_adjust(wspace=0.12, hspace=0.45)
        grid = figure.subplots(high, wide, squeeze=False, sharey=True)
        for axes, (name, runs) in zip(grid.flat, models.items(), strict=False):
            _panel(axes, name, runs)
        for axes in list(grid.flat)[len(models) :]:
            axes.set_axis_off()
        figure.supxlabel("epoch", fontsize=9)
        figure.suptitle(f"{title}\n{axis}", fontsize=10, x=0.01, y=1 - 0.08 / height, ha="left")
        return svg(figure)


def _panel(axes: Axes, name: str, runs: Sequence[Sequence[float]]) -> None:
    """One collection of all lines, and few ticks: making artists takes matplotlib longest."""
    lines = [list(enumerate(values, start=1)) for values in runs]
    axes.add_collection(LineCollection(lines, colors="tab:blue", alpha=0.45, linewidths=0.9))
    axes.autoscale_view()
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_title(folded(name), fontsize=8, loc="left", y=1)
    axes.grid(alpha=0.25)
