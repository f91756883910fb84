"""The utterances that computational sequences are cut into: their intervals and labels, and who
trains and who tests.
"""

from __future__ import annotations

import ast
import csv
import io
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from merbench.api import DataError
from merbench_datasets.csd_file import Sequence, segment_of

EMOTIONS = ("happy", "sad", "anger", "surprise", "disgust", "fear")
ORDER = ("sentiment", *EMOTIONS)
"""Of CMU_MOSEI_Labels where its metadata does not say; CMU_MOSI_Opinion_Labels has the first alone.
"""
ROUNDED = 0.02
"""Seconds by which times of one interval may differ: they are printed with two digits and more."""
_MODES = {"train": "train", "valid": "valid", "dev": "valid", "test": "test"}


@dataclass
class Rows:
    """``interval``: id -> (start, end) in seconds. ``columns``: of the table, one cell an id.
    ``number``: id -> number of its segment in the labels of its video, from 0, where labels made
    the rows. ``refused``: (id, why).
    """

    interval: dict[str, tuple[float, float]] = field(default_factory=dict)
    video: dict[str, str] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    number: dict[str, int] = field(default_factory=dict)

    def add(self, video: str, clip: str, start: float, end: float, cells: dict[str, str]) -> None:
        """A row; a refusal, by name, where its interval is none."""
        row_id = f"{video}_{clip}"
        if not (math.isfinite(start) and math.isfinite(end) and start < end):
            self.refused.append((row_id, f"its interval from {start:g} to {end:g} s is none"))
        elif row_id in self.interval:
            self.refused.append((row_id, "its id stands twice"))
        else:
            self.interval[row_id], self.video[row_id] = (start, end), video
            for name, cell in {"video_id": video, "clip_id": clip, **cells}.items():
                self.columns.setdefault(name, []).append(cell)


class Beside:
    """A second file of labels, such as MOSEI's emotions: found by video and interval."""

    def __init__(self, labels: Sequence) -> None:
        self.path = labels.path
        self.names = _names_of(labels)
        self._rows: dict[str, list[tuple[float, float, np.ndarray]]] = {}
        for video, _, value_D, (start, end) in _labels(labels, Rows()):
            self._rows.setdefault(video, []).append((start, end, value_D))
        self.unused = {(video, row[:2]): None for video, rows in self._rows.items() for row in rows}

    def cells(self, video: str, start: float, end: float) -> dict[str, str]:
        """Its labels of an interval, by name; empty cells where it has none of it."""
        for a, b, value_D in self._rows.get(video, ()):
            if abs(a - start) <= ROUNDED and abs(b - end) <= ROUNDED:
                self.unused.pop((video, (a, b)), None)
                return {n: _cell(v) for n, v in zip(self.names, value_D, strict=True)}
        return dict.fromkeys(self.names, "")


def _names_of(labels: Sequence) -> list[str]:
    """What its columns are: its metadata says so, or it has the SDK's one or seven."""
    names = labels.metadata("dimension names")
    if isinstance(names, list) and len(names) == labels.width:
        return [str(name).strip().lower() for name in names]
    if labels.width in (1, len(ORDER)):
        return list(ORDER[: labels.width])
    raise DataError(
        f"{labels.path} has {labels.width} labels a segment, and its metadata does not name them "
        "(dimension names); give CMU_MOSI_Opinion_Labels, CMU_MOSEI_Labels or files with names"
    )


def main_first(files: list[Sequence]) -> tuple[Sequence, list[Beside]]:
    """The file of sentiment, and those beside it. DataError where not just one has sentiment, or
    two have a label of one name.
    """
    named = {file.path: _names_of(file) for file in files}
    main = [file for file in files if "sentiment" in named[file.path]]
    if len(main) != 1:
        which = " and ".join(file.path.name for file in (main or files))
        raise DataError(
            f"{len(main)} files of labels have sentiment ({which}), and one should; "
            "leave the one there that the rows are to be made from"
        )
    file_of_name: dict[str, str] = {}
    for path, names in named.items():
        for name in names:
            if name in file_of_name:
                raise DataError(
                    f"{path} and {file_of_name[name]} both have labels of {name}; leave one"
                )
            file_of_name[name] = path.name
    return main[0], [Beside(file) for file in files if file is not main[0]]


def labelled(
    labels: Sequence, splits: Splits, first: int, beside: list[Beside] | None = None
) -> Rows:
    """One row an interval of the labels, with those of the same interval in ``beside``.

    The k-th of a video, from 0, as the file has them (MOSI's are not always in time) is its clip
    ``first`` + k (an entry ``VIDEO[k]`` names its k), as MMSA and the raw clips number them; where
    the table of splits has times of the video, it is the clip that begins then.
    """
    names = _names_of(labels)
    if names[0] != "sentiment":
        raise DataError(
            f"{labels.path} has labels {labels.width} wide named {', '.join(names)}, "
            "and sentiment should come first; give "
            "CMU_MOSI_Opinion_Labels or CMU_MOSEI_Labels"
        )
    rows = Rows()
    for video, number, value_D, (start, end) in _labels(labels, rows):
        clip = splits.clip_at(video, start, str(first + number))
        if not clip:
            rows.refused.append(
                (f"{video} from {start:g} s", f"no clip of {splits.path.name} begins then")
            )
            continue
        mode, why = splits.mode(video, clip)
        if why or abs(value_D[0]) > 3.001:
            rows.refused.append(
                (f"{video}_{clip}", why or f"its sentiment is {value_D[0]:g}, outside -3 to 3")
            )
            continue
        cells = {
            "label" if n == "sentiment" else n: _cell(v)
            for n, v in zip(names, value_D, strict=True)
        }
        for other in beside or ():
            cells |= other.cells(video, start, end)
        rows.number.setdefault(f"{video}_{clip}", number)
        times = {"start": f"{start:.6g}", "end": f"{end:.6g}"}
        rows.add(video, clip, start, end, {**cells, **times, "mode": mode})
    return rows


def _labels(
    labels: Sequence, rows: Rows
) -> Iterator[tuple[str, int, np.ndarray, tuple[float, float]]]:
    """``(video, number of the segment, label [D], (start, end))`` of each label.

    Where the SDK aligned labels to themselves, an entry ``VIDEO[k]`` also holds the ends of its
    neighbours that overlap it: the longest interval is its own. Two as long with other labels are
    refused.
    """
    for entry in labels.steps:
        video, number = segment_of(entry)
        values, intervals = labels.read(entry)
        values = values.astype(np.float64)
        if number is None:
            for k, times in enumerate(intervals.tolist()):
                yield video, k, values[k], tuple(times)
            continue
        if not len(values):
            rows.refused.append((entry, "it has no label"))
            continue
        long = intervals[:, 1] - intervals[:, 0]
        own = np.flatnonzero(long == np.nanmax(long)) if np.isfinite(long).any() else [0]
        if any(not np.array_equal(values[own[0]], values[k], equal_nan=True) for k in own[1:]):
            rows.refused.append((entry, "it has two labels of equal length that differ"))
            continue
        yield video, number, values[own[0]], tuple(intervals[own[0]].tolist())


def _cell(value: float) -> str:
    """Empty where it is not known."""
    return f"{value:.7g}" if math.isfinite(value) else ""


class Splits:
    """Which videos, or which single clips, train and which test. ``first``: the number of a video's
    first clip, None = unknown.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first: int | None = None
        self._of: dict[str, str] = {}
        self._starts: dict[str, list[tuple[float, str]]] = {}
        if path.suffix == ".py":
            self._from_folds(_text(path))
        else:
            self._from_table(_text(path))

    def mode(self, video: str, clip: str) -> tuple[str, str]:
        """``(train, valid or test, "")``, or ``("", why not)``."""
        split = self._of.get(video) or self._of.get(f"{video}_{clip}")
        return (
            (split, "")
            if split
            else ("", f"{self.path.name} does not say whether it trains or tests")
        )

    def clip_at(self, video: str, start: float, untimed: str) -> str:
        """The clip that begins within .02 s of ``start`` (times are printed with two digits and
        more), empty where none does.

        ``untimed``: the clip where the table has no times of this video.
        """
        if video not in self._starts:
            return untimed
        near = min(self._starts[video], key=lambda begin: abs(begin[0] - start))
        return near[1] if abs(near[0] - start) <= 0.02 else ""

    def _from_folds(self, text: str) -> None:
        """Assignments of lists of video ids, as in the SDK's cmu_mosi_std_folds.py. Read as
        literals, never run.
        """
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise DataError(
                f"{self.path} is no Python file ({type(error).__name__}); "
                "give the SDK's file of folds, or a label.csv"
            ) from None
        for node in body:
            targets = (
                node.targets
                if isinstance(node, ast.Assign)
                else [node.target]
                if isinstance(node, ast.AnnAssign)
                else []
            )
            names = [t.id.lower() for t in targets if isinstance(t, ast.Name)]
            modes = [mode for name in names for word, mode in _MODES.items() if word in name]
            if not modes:
                continue
            try:
                videos = ast.literal_eval(node.value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                videos = None
            if not isinstance(videos, list | tuple | set) or not all(
                isinstance(v, str) for v in videos
            ):
                raise DataError(
                    f"{self.path}, line {node.lineno}: {names[0]} is no plain list of video ids; "
                    "write it out as one"
                )
            for video in videos:
                if self._of.setdefault(video, modes[0]) != modes[0]:
                    raise DataError(
                        f"{self.path}: the video {video!r} stands in {self._of[video]} and in "
                        f"{modes[0]}; take it out of one"
                    )
        if lacks := {"train", "valid", "test"} - set(self._of.values()):
            raise DataError(
                f"{self.path} has no list of {min(lacks)} videos; "
                "give the SDK's file of folds, or a label.csv"
            )

    def _from_table(self, text: str) -> None:
        table = _table(self.path, text, ("video_id", "clip_id", "mode"))
        for line, (video, clip, mode) in enumerate(
            zip(*(table[k] for k in ("video_id", "clip_id", "mode")), strict=True), start=2
        ):
            if mode not in _MODES:
                raise DataError(
                    f"{self.path}, row {line}: mode is {mode[:40]!r}; put train, valid or test"
                )
            self._of[f"{video}_{clip}"] = _MODES[mode]
        self.first = 0 if "0" in table["clip_id"] else 1
        for video, clip, start in zip(
            table["video_id"], table["clip_id"], table.get("start", ()), strict=False
        ):
            with suppress(ValueError):  # an empty cell: the row has no time
                self._starts.setdefault(video, []).append((float(start), clip))


def segments(path: Path) -> Rows:
    """Intervals of rows that are there already: an ``.npz`` with id, video, start, end, or a table
    with video_id, clip_id, start, end.
    """
    rows = Rows()
    if path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as arrays:
                ids, videos = (arrays[k].astype(str).tolist() for k in ("id", "video"))
                times = zip(
                    *(arrays[k].astype(float).tolist() for k in ("start", "end")), strict=True
                )
                clips = list(zip(ids, videos, times, strict=True))
        except Exception as error:
            line = f"{type(error).__name__}: {error}".splitlines()[0][:100]
            raise DataError(
                f"{path} cannot be read as segments ({line}); "
                "it needs arrays id, video, start and end, all as long"
            ) from None
        for row_id, video, (start, end) in clips:
            rows.add(video, row_id.removeprefix(f"{video}_"), start, end, {})
        return rows
    table = _table(path, _text(path), ("video_id", "clip_id", "start", "end"))
    for video, clip, *ends in zip(
        *(table[k] for k in ("video_id", "clip_id", "start", "end")), strict=True
    ):
        try:
            start, end = map(float, ends)
        except ValueError:
            start = end = math.nan
        rows.add(video, clip, start, end, {})
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or error}); "
            "give a UTF-8 file"
        ) from None


def _table(path: Path, text: str, columns: tuple[str, ...]) -> dict[str, list[str]]:
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise DataError(f"{path} is not CSV ({error}); give a label.csv") from None
    if not rows:
        raise DataError(f"{path} has no rows; give a label.csv with one line an utterance")
    if lacks := [name for name in columns if name not in rows[0]]:
        raise DataError(f"{path} has no column {lacks[0]!r}; it needs {', '.join(columns)}")
    return {
        name: [(row[name] or "").strip() for row in rows] for name in rows[0] if name is not None
    }
