"""Where the axes of a picture lie. matplotlib's own layout measures every text, twice, which takes
as long as all drawing; and the reader's program has another font than matplotlib measured.
"""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.figure import Figure

_EM = 0.62
"""Mean width of a letter over the size of its font, for names and numbers; a little more than that
of DejaVu Sans, the first font that the pictures ask for."""


def margins(figure: Figure, *, left: float, right: float, bottom: float, top: float) -> None:
    """What is left free around the axes, in inches."""
    wide, high = figure.get_size_inches()
    figure.subplots_adjust(left / wide, bottom / high, 1 - right / wide, 1 - top / high)


def headline(figure: Figure, text: str) -> None:
    """At the upper left corner of the picture, so that the whole of its width is there for it."""
    wide, high = figure.get_size_inches()
    figure.text(0.08 / wide, 1 - 0.08 / high, text, fontsize=10, ha="left", va="top")


def width(texts: Iterable[str], size: float) -> float:
    """Inches that the longest line of ``texts`` takes, in a font of ``size`` points."""
    longest = max((len(line) for text in texts for line in text.split("\n")), default=0)
    return _EM * longest * size / 72
