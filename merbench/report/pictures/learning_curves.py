"""The validation score of each run by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.figure import Figure

from merbench.report.pictures.plots import STYLE, folded, svg


def learning(title: str, axis: str, models: Mapping[str, Sequence[Sequence[float]]]) -> bytes:
    """Validation score by epoch, a panel a model and a line a run."""
    with matplotlib.rc_context(STYLE):
        wide = min(4, len(models))
        high = -(-len(models) // wide)
        width, height = max(7, 2.6 * wide + 0.6), 1.9 * high + 1.2
        figure = Figure(figsize=(width, height))
        # In inches: many panels take matplotlib's layout engine longer than all else.
        left, right, bottom, top = 0.5, 0.1, 0.5, 0.9
        figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
        figure.subplots_adjust(wspace=0.12, hspace=0.45)
        grid = figure.subplots(high, wide, squeeze=False, sharey=True)
        for axes, (name, runs) in zip(grid.flat, models.items(), strict=False):
            for values in runs:
                axes.plot(
                    range(1, len(values) + 1), values, color="tab:blue", alpha=0.45, linewidth=0.9
                )
            axes.set_title(folded(name), fontsize=8, loc="left")
            axes.grid(alpha=0.25)
        for axes in list(grid.flat)[len(models) :]:
            axes.set_axis_off()
        figure.supxlabel("epoch", fontsize=9)
        figure.suptitle(f"{title}\n{axis}", fontsize=10, x=0.01, y=1 - 0.08 / height, ha="left")
        return svg(figure)
