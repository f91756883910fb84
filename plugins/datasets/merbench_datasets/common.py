"""What forms share: those without settings; of pickles the ids, labels, texts and the real length
of a padded row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from merbench.api import LATER, Array, Config, DataError, Modality, Sink, Source, as_text

MODES = {"train": "train", "valid": "valid", "dev": "valid", "test": "test"}
FIELDS: dict[str, Modality] = {"text": "text", "audio": "audio", "vision": "video"}
UNIMODAL = {
    "label_T": "sentiment_text",
    "label_A": "sentiment_audio",
    "label_V": "sentiment_video",
}
"""Column of labels given to one modality alone, as MMSA calls it -> task."""
EMOTIONS = ("happy", "sad", "anger", "surprise", "disgust", "fear")
"""The order of the SDK's label row, behind the sentiment."""


class Plain:
    """A form without settings."""

    class Config(Config):
        pass

    def __init__(self, config: Config) -> None:
        self.config = config


class Labelled(Plain):
    """A form whose labels are of a scale that its files do not name."""

    class Config(Config):
        low: Annotated[float | None, LATER] = None
        """Lowest label of the score. Without ``low`` and ``high`` the labels tell: [-1, 1] where
        all are in it by steps of .2 (CH-SIMS), two classes where they are 0 and 1 or -1 and 1 alone
        (UR-FUNNY, MUStARD), the whole numbers around them where many are beyond 3 (ratings from 1
        to 5, valence in [-5, 5]), else [-3, 3].
        """
        high: Annotated[float | None, LATER] = None

        @model_validator(mode="after")
        def _in_order(self) -> Self:
            if (self.low is None) != (self.high is None):
                raise ValueError("give low and high together")
            if self.low is not None and self.high is not None and not self.low < self.high:
                raise ValueError("low is not below high")
            return self


class Numbered(Labelled):
    """A form that may call its rows ``video[k]``."""

    class Config(Labelled.Config):
        first: Annotated[int, Field(ge=0)] = 0
        """Number of the clip that is called video[0]: 1 where rows are to join a data set that
        counts from 1, as MMSA does.
        """


def splits_of(found: Any, inner: type) -> dict[str, Any]:
    """``mode -> split`` of a pickle that holds its splits by name; empty where it does not."""
    if not isinstance(found, dict):
        return {}
    return {
        MODES[key]: value
        for key, value in found.items()
        if isinstance(key, str) and key in MODES and isinstance(value, inner)
    }


def lacks(source: Source, *keys: str) -> str:
    """Why a source is no pickle whose splits are mappings with these keys; empty where it is."""
    if source.pickle is None:
        return "it is no pickle file"
    splits = splits_of(source.pickle, dict)
    if not splits:
        return "it has no splits"
    return next(
        (
            f"a split has no {key}"
            for key in keys
            if any(key not in split for split in splits.values())
        ),
        "",
    )


def three_splits(source: Source, inner: type) -> dict[str, Any]:
    """train, valid and test; DataError where one is not there."""
    splits = splits_of(source.pickle, inner)
    if missing := {"train", "valid", "test"} - splits.keys():
        raise DataError(f"{source.path} has no split {min(missing)!r}; give the whole file")
    return splits


def note_unread(
    sink: Sink, source: Source, fields: Container[str], beside: Container[str] = ()
) -> None:
    """Name what a pickle of splits holds and is not taken over: ``fields`` are read of each split,
    ``beside`` are read beside the splits.
    """
    splits = splits_of(source.pickle, dict)
    names = sorted({str(field) for split in splits.values() for field in split})
    unread = [field for field in names if field not in fields]
    unread += [str(key) for key in source.pickle if key not in MODES and key not in beside]
    if unread:
        sink.note(f"not taken over: {', '.join(unread)}")


def split_id(name: str, first: int = 0) -> tuple[str, str]:
    """``video$_$clip``, ``video[clip]`` (a number is counted from ``first``) or ``video_clip``; any
    other name is a video with one clip.
    """
    if "$_$" in name:
        video, _, clip = name.partition("$_$")
    elif found := re.fullmatch(r"(.+)\[(\w+)\]", name):
        video, clip = (
            found[1],
            str(int(found[2]) + first) if first and found[2].isdecimal() else found[2],
        )
    else:
        video, _, clip = name.rpartition("_")
    return (video, clip) if video and clip else (name, "0")


def texts(value: Any, what: str) -> list[str]:
    """A list or array of strings."""
    if (
        isinstance(value, Array)
        and value.ndim == 2
        and value.shape[1] == 1
        and not value.dtype.hasobject
    ):
        value = value.read()[:, 0]
    elif isinstance(value, Array) and value.ndim == 1:
        value = [value[i] for i in range(len(value))] if value.dtype.hasobject else value.read()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise DataError(f"{what} is no list of texts; fix the source")
    try:
        return [as_text(text) for text in value]
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} is no list of texts ({error}); fix the source") from None


def numbers(value: Any, rows: int, what: str) -> np.ndarray:
    """[rows, C] float64 of a list or array of numbers, one row each; C >= 1, also of no rows."""
    values = _as_floats(value, f"{rows} rows", what)
    columns = int(np.prod(values.shape[1:]))
    if values.shape[:1] != (rows,) or not columns:
        raise DataError(
            f"{what} has the shape {list(values.shape)}, and there are {rows} rows; fix the source"
        )
    return values.reshape(rows, columns)


def row_of_numbers(value: Any, what: str) -> np.ndarray:
    """[C] float64 of a number, or of a list or array of numbers, of a row; C >= 1."""
    values = _as_floats(value, "one row", what)
    if not values.size:
        raise DataError(f"{what} holds no number; fix the source")
    return values.ravel()


def _as_floats(value: Any, rows: str, what: str) -> np.ndarray:
    try:
        return np.asarray(value.read() if isinstance(value, Array) else value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{what} is no array of {rows} of numbers ({error}); fix the source"
        ) from None


def block(value: Any, rows: int, what: str) -> Array:
    """A padded array [rows, L, D] of numbers."""
    if (
        not isinstance(value, Array)
        or value.ndim != 3
        or value.dtype.kind not in "fiub"
        or len(value) != rows
    ):
        shape = getattr(value, "shape", type(value).__name__)
        raise DataError(
            f"{what} is {shape}, and an array [{rows}, steps, width] of numbers belongs there; "
            "fix the source"
        )
    return value


def cells(values: np.ndarray, low: float = -np.inf, high: float = np.inf) -> tuple[list[str], int]:
    """``(numbers as cells of a table, how many were outside of [low, high] and are held to it)``;
    not finite = unknown, an empty cell.
    """
    held = np.clip(values, low, high)
    outside = int((np.isfinite(values) & (np.abs(held - values) > 1e-4)).sum())
    return [str(np.float32(x)) if np.isfinite(x) else "" for x in held], outside


TWO_CLASSES = ("no", "yes")
"""Words of the lower and the higher of two labels."""
_WHOLE = (-3.0, 3.0)
_STEPS = (-1.0, 1.0)
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
    in_steps = np.abs(5 * values - np.round(5 * values)).max(initial=0) < 0.01
    if len(values) > 1 and np.abs(values).max() <= 1 and in_steps:
        return _STEPS
    beyond = np.abs(labels[np.isfinite(labels)]) > _WHOLE[1] + 0.01
    if len(beyond) and beyond.mean() > MOST_OUTSIDE:
        low, high = float(np.floor(values[0])), float(np.ceil(values[-1]))
        far = max(-low, high)
        return (low, high) if low >= 0 else (-far, far)
    return _WHOLE


def label_task(sink: Sink, labels: np.ndarray, config: Labelled.Config) -> dict[str, Any]:
    """The task of a column of labels, without its column; the sink gets what describes it.
    Labels given to one modality alone are of the same scale, and belong to ``labels`` too.
    """
    span = scale(labels, config)
    otherwise = "; another range is given with --form FORM --set low=-3 --set high=3"
    if span is None:
        pair = f"{np.nanmin(labels):g} and {np.nanmax(labels):g}"
        words = " and ".join(TWO_CLASSES)
        sink.note(f"its labels are {pair} alone: two classes, {words}{otherwise}")
        return {"kind": "class", "words": list(TWO_CLASSES)}
    if config.low is None and span not in (_STEPS, _WHOLE):
        sink.note(f"its labels lie in [{span[0]:g}, {span[1]:g}]: a score in that{otherwise}")
    if span == _WHOLE and config.low is None and np.nanmax(np.abs(labels), initial=0) <= 1:
        sink.note(f"its labels lie in [-1, 1], not by steps of .2: a score in [-3, 3]{otherwise}")
    if span == _STEPS and config.low is None:
        sink.note(f"its labels lie in [-1, 1] by steps of .2: a score in [-1, 1]{otherwise}")
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
            sink.note(f"{outside} labels lie outside of {span} and are held to it")
    if unknown := column.count(""):
        sink.note(f"{unknown} rows have no finite label; their cells are left empty")
    return column


def last_step(row: np.ndarray) -> int:
    """Steps up to the last one that is not all zero; NaN and inf are no zeros."""
    real = np.flatnonzero((row != 0).any(axis=1))
    return int(real[-1]) + 1 if len(real) else 0


def first_step(row: np.ndarray) -> int:
    """The number of the first step that is not all zero."""
    real = np.flatnonzero((row != 0).any(axis=1))
    return int(real[0]) if len(real) else len(row)


def write_tasks(sink: Sink, task: Mapping[str, Any], emotions: Sequence[str] = ()) -> None:
    """The task of the label column (``sentiment``, or ``label`` where it is of classes) and, where
    they are in the table, emotions: present where the mean is above 0.
    """
    sink.task("label" if task["kind"] == "class" else "sentiment", column="label", **task)
    if emotions:
        sink.task("emotions", columns=list(emotions), kind="multilabel", words=list(emotions))


def write_unimodal(
    sink: Sink, columns: Mapping[str, Sequence[str]], task: Mapping[str, Any]
) -> None:
    """A task of each column of labels that were given to one modality alone (CH-SIMS)."""
    for column, name in UNIMODAL.items():
        if task["kind"] == "score" and any(cell.strip() for cell in columns.get(column, ())):
            sink.task(name, column=column, **task)


def write_streams(
    sink: Sink,
    ids: Sequence[str],
    streams: Mapping[str, tuple[Modality, int, Callable[[int], Any], str]],
    transcripts: bool = True,
) -> list[str]:
    """Transcripts, the feature streams (name -> modality, width, read, note), and the standard
    protocol that offers them; returns their names.
    """
    if transcripts:
        sink.stream("text.transcript", modality="text", kind="strings", column="text")
    for name, (modality, width, read, note) in streams.items():
        sink.features(name, modality, width, ids, read, note=note)
    offered = ({"text": "text.transcript"} if transcripts else {}) | {
        modality: name for name, (modality, *_) in streams.items()
    }
    sink.protocol("standard", column="mode", streams=list(offered.values()))
    return list(offered.values())
