"""Pictures, as SVG that is the same to the byte each time. The only file that imports matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

STYLE: Any = {"svg.hashsalt": "merbench", "svg.fonttype": "none", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}


def scores(
    title: str, axis: str, models: Mapping[str, Sequence[float]], floors: Mapping[str, float], optimum: Mapping[str, float] | None = None
) -> bytes:
    """One line a model: every seed a dot, the mean a bar; floors as dashed lines, best possible scores as dotted ones.

    ``models`` from best to worst: name -> one value a seed.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 1.2 + 0.34 * len(models)), layout="constrained")
        axes = figure.subplots()
        for line, values in enumerate(models.values()):
            axes.scatter(values, [line] * len(values), s=18, alpha=0.5, color="tab:blue", linewidths=0, zorder=3)
            axes.plot([sum(values) / len(values)] * 2, [line - 0.32, line + 0.32], color="black", linewidth=1.8, zorder=4)
        axes.set_yticks(range(len(models)), list(models))
        axes.set_ylim(len(models) - 0.4, -0.6)
        for kind, lines, style in (("", floors, "--"), ("best given ", optimum or {}, ":")):
            for at, (name, value) in enumerate(sorted(lines.items(), key=lambda item: item[1])):
                axes.axvline(value, color="tab:red" if not kind else "tab:green", linestyle=style, linewidth=1)
                axes.annotate(
                    kind + name, (value, 1), (2, 2 + 10 * (at % 3)), xycoords=("data", "axes fraction"), textcoords="offset points",
                    fontsize=8, color="tab:red" if not kind else "tab:green",
                )  # fmt: skip
        axes.set_xlabel(axis)
        axes.set_title(title, fontsize=10, loc="left", pad=36)
        axes.grid(axis="x", alpha=0.25)
        out = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None, "Creator": "merbench"})
    return out.getvalue()
