"""The scale of a column of labels: a score in a range, or two classes; and its cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from merbench.api import Sink, are, count_of, have
from merbench_datasets.form_settings import Labelled

TWO_CLASSES = ("no", "yes")
"""Words of the lower and the higher of two labels."""
_WHOLE = (-3.0, 3.0)
_UNIT = (-1.0, 1.0)
MOST_OUTSIDE = 0.02
"""Share of the labels that may lie outside of [-3, 3] by mistake; more of them are of another
scale.
"""


def scale(labels: np.ndarray, config: Labelled.Config) -> tuple[float, float] | None:
    """``(low, high)`` of a score: what the user says, or the labels tell; None where they are two
    classes. See ``Labelled.Config``.
    """
    if config.low is not None and config.high is not None:
        return config.low, config.high
    values = np.unique(np.round(labels[np.isfinite(labels)], 4))
    if values.tolist() in ([0, 1], [-1, 1]):
        return None
    if len(values) > 1 and values[0] >= 0:
        return float(np.floor(values[0])), float(np.ceil(values[-1]))
    largest = np.abs(values).max(initial=0)
    if len(values) > 1 and largest <= 1 and not _are_thirds(values):
        return _UNIT
    if largest == 2 and _are_whole(values):
        return -2.0, 2.0
    beyond = np.abs(labels[np.isfinite(labels)]) > _WHOLE[1] + 0.01
    if len(beyond) and beyond.mean() > MOST_OUTSIDE:
        limit = float(np.ceil(largest))
        return -limit, limit
    return _WHOLE


def _are_thirds(values: np.ndarray) -> bool:
    """Means of three people who gave whole numbers, as MOSEI's labels are: its small ones are no
    scale of their own. -1, 0 and 1 alone are none.
    """
    are_thirds = np.abs(3 * values - np.round(3 * values)).max() < 0.01
    return bool(are_thirds and not _are_whole(values))


def _are_whole(values: np.ndarray) -> bool:
    return bool(np.abs(values - np.round(values)).max() < 0.01)


def label_task(sink: Sink, labels: np.ndarray, config: Labelled.Config) -> dict[str, Any]:
    """The task of a column of labels, without its column; the sink gets what describes it.
    Labels given to one modality alone are of the same scale, and belong to ``labels`` too.
    """
    span = scale(labels, config)
    otherwise = "; another range is given with --set low=-3 --set high=3"
    if span is None:
        pair = f"{np.nanmin(labels):g} and {np.nanmax(labels):g}"
        words = " and ".join(TWO_CLASSES)
        sink.note(f"its labels are {pair} alone: two classes, {words}{otherwise}")
        return {"kind": "class", "words": list(TWO_CLASSES)}
    if config.low is None and span != _WHOLE:
        sink.note(f"its labels lie in [{span[0]:g}, {span[1]:g}]: a score in that{otherwise}")
    largest = np.ceil(np.abs(labels[np.isfinite(labels)]).max(initial=1))
    if span == _WHOLE and config.low is None and largest < _WHOLE[1]:
        sink.note(
            f"its labels lie within [-{largest:g}, {largest:g}]: a score in [-3, 3]{otherwise}"
        )
    return {"kind": "score", "low": span[0], "high": span[1]}


def label_cells(sink: Sink, labels: np.ndarray, task: Mapping[str, Any]) -> list[str]:
    """The column of a task: a score is held to its range, and the sink is notified of what was
    outside.
    """
    if task["kind"] == "class":
        low, high = task["words"]
        column = [(high if x > 0 else low) if np.isfinite(x) else "" for x in labels]
    else:
        column, outside = cells(labels, task["low"], task["high"])
        if outside:
            span = f"[{task['low']:g}, {task['high']:g}]"
            labels_outside = f"{count_of(outside, 'label')} {are(outside)} outside"
            sink.note(f"{labels_outside} of {span}: moved to its end")
    if unknown := column.count(""):
        sink.note(f"{count_of(unknown, 'row')} {have(unknown)} no finite label: left empty")
    return column


def cells(values: np.ndarray, low: float = -np.inf, high: float = np.inf) -> tuple[list[str], int]:
    """``(numbers as cells of a table, how many were outside of [low, high] and are held to it)``;
    not finite = unknown, an empty cell.
    """
    clipped = np.clip(values, low, high)
    outside = int((np.isfinite(values) & (np.abs(clipped - values) > 1e-4)).sum())
    known = np.isfinite(values)
    return [str(np.float32(x)) if k else "" for x, k in zip(clipped, known, strict=True)], outside
