"""The utterances that computational sequences are cut into: their intervals and labels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from merbench.api import DataError, number_of
from merbench_datasets.csd.sequence import CsdSequence, segment_of
from merbench_datasets.csd.splits import Splits, read_table

EMOTIONS = ("happy", "sad", "anger", "surprise", "disgust", "fear")
ORDER = ("sentiment", *EMOTIONS)
"""Of CMU_MOSEI_Labels where its metadata does not say; CMU_MOSI_Opinion_Labels has the first alone.
"""
_COLUMNS = {"video_id", "clip_id", "text", "label", "start", "end", "mode"}
"""What the table of the rows has beside the labels."""
ROUNDED = 0.02
"""Seconds by which times of one interval may differ: they are printed with two digits and more."""


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
            self.refused.append((row_id, "its id occurs twice"))
        else:
            self.interval[row_id], self.video[row_id] = (start, end), video
            for name, cell in {"video_id": video, "clip_id": clip, **cells}.items():
                self.columns.setdefault(name, []).append(cell)


class JoinedLabels:
    """A second file of labels, such as MOSEI's emotions: found by video and interval."""

    def __init__(self, labels: CsdSequence) -> None:
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


def _names_of(labels: CsdSequence) -> list[str]:
    """What its columns are: its metadata says so, or it has the SDK's one or seven."""
    stated = labels.metadata("dimension names")
    if isinstance(stated, list) and len(stated) == labels.width:
        names = [str(name).strip().lower() for name in stated]
        if of_a_table := [name for name in names if name in _COLUMNS]:
            raise DataError(
                f"{labels.path} has labels of {of_a_table[0]!r}, which a table has a column of its "
                "own for; call them otherwise in its metadata (dimension names)"
            )
        return names
    if labels.width in (1, len(ORDER)):
        return list(ORDER[: labels.width])
    raise DataError(
        f"{labels.path} has {labels.width} labels a segment, and its metadata does not name them "
        "(dimension names); give CMU_MOSI_Opinion_Labels, CMU_MOSEI_Labels or files with names"
    )


def main_first(files: list[CsdSequence]) -> tuple[CsdSequence, list[JoinedLabels]]:
    """The file of sentiment, and those beside it. DataError where not just one has sentiment, or
    two have a label of one name.
    """
    names_of_file = {file.path: _names_of(file) for file in files}
    main = [file for file in files if "sentiment" in names_of_file[file.path]]
    if len(main) != 1:
        file_names = " and ".join(file.path.name for file in (main or files))
        raise DataError(
            f"{len(main)} files of labels have sentiment ({file_names}), and one should; "
            "leave the one there that the rows are to be made from"
        )
    file_of_name: dict[str, str] = {}
    for path, names in names_of_file.items():
        for name in names:
            if name in file_of_name:
                raise DataError(
                    f"{path} and {file_of_name[name]} both have labels of {name}; leave one"
                )
            file_of_name[name] = path.name
    return main[0], [JoinedLabels(file) for file in files if file is not main[0]]


def labelled(
    labels: CsdSequence, splits: Splits, first_clip: int, joined: list[JoinedLabels]
) -> Rows:
    """One row an interval of the labels, with those of the same interval in ``joined``.

    The k-th of a video, from 0, as the file has them (MOSI's are not always in time) is its clip
    ``first_clip`` + k (an entry ``VIDEO[k]`` names its k), as MMSA and the raw clips number them;
    where the table of splits has times of the video, it is the clip that begins then.
    """
    names = _names_of(labels)
    sentiment = names.index("sentiment")
    rows = Rows()
    for video, number, value_D, (start, end) in _labels(labels, rows):
        clip = splits.clip_at(video, start, str(first_clip + number))
        if not clip:
            rows.refused.append(
                (f"{video} from {start:g} s", f"no clip of {splits.path.name} begins then")
            )
            continue
        mode, reason = splits.mode(video, clip)
        # Whatever the table of labels would refuse: more than rounding beyond its range.
        if not reason and abs(value_D[sentiment]) > 3.0005:
            reason = f"its sentiment is {value_D[sentiment]:g}, outside -3 to 3"
        if reason:
            rows.refused.append((f"{video}_{clip}", reason))
            continue
        cells = {
            "label" if n == "sentiment" else n: _cell(v)
            for n, v in zip(names, value_D, strict=True)
        }
        for joined_labels in joined:
            cells |= joined_labels.cells(video, start, end)
        rows.number.setdefault(f"{video}_{clip}", number)
        times = {"start": f"{start:.6g}", "end": f"{end:.6g}"}
        rows.add(video, clip, start, end, {**cells, **times, "mode": mode})
    return rows


def _labels(
    labels: CsdSequence, rows: Rows
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
        durations = intervals[:, 1] - intervals[:, 0]
        has_length = np.isfinite(durations).any()
        longest = np.flatnonzero(durations == np.nanmax(durations)) if has_length else [0]
        longest_row = longest[0]
        if any(
            not np.array_equal(values[longest_row], values[k], equal_nan=True) for k in longest[1:]
        ):
            rows.refused.append((entry, "it has two labels of equal length that differ"))
            continue
        yield video, number, values[longest_row], tuple(intervals[longest_row].tolist())


def _cell(value: float) -> str:
    """Empty where it is not known."""
    return f"{value:.7g}" if math.isfinite(value) else ""


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
    table = read_table(path, ("video_id", "clip_id", "start", "end"))
    for video, clip, *ends in zip(
        *(table[k] for k in ("video_id", "clip_id", "start", "end")), strict=True
    ):
        try:
            start, end = map(number_of, ends)
        except ValueError:
            start = end = math.nan
        rows.add(video, clip, start, end, {})
    return rows
