"""Rows of two sources that name a video's utterances otherwise, matched by their order in time.

MOSEI has two kinds of ids: MMSA numbers the clips of a video in order of their start, others call
them by the start (``6_368`` = 6.368 s), and no id is the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from merbench.api.material.delimited import number_of
from merbench.api.plural import are, count_of, have
from merbench.data.first_few import first_few

Cells = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Match:
    """``rows``: row of the source -> row of the table. ``apart``: video -> why its rows are not
    matched.
    """

    rows: dict[int, int] = field(default_factory=dict)
    apart: dict[str, str] = field(default_factory=dict)

    def sentences(self, source: Cells) -> list[str]:
        """What was joined, and what was not."""
        count = len(self.rows)
        videos = len({source["video_id"][row] for row in self.rows})
        sentence = (
            f"{count_of(count, 'row')} of {count_of(videos, 'video')} {have(count)} other ids than "
            f"here and {are(count)} joined by video "
            "and order in time; their numbers of rows and all their labels agree"
        )
        sentences = [sentence]
        if self.apart:
            examples = first_few([f"{video}: {reason}" for video, reason in self.apart.items()])
            sentences.append(
                f"not joined by order: {count_of(len(self.apart), 'video')} ({examples})"
            )
        return sentences


def match_rows(table: Cells, source: Cells, labels: Mapping[str, float]) -> Match:
    """Match the videos of which both have rows, and no id in common.

    A video is matched where both have as many rows, each with a time or number of its own, and
    every label that both know agrees, one at least. ``labels``: column -> from which difference
    labels are not the same. Nothing is matched where that fails in more than a tenth of the videos
    with as many rows: then labels agree by chance.
    """
    rows_here, rows_there = _by_video(table), _by_video(source)
    ids = set(zip(table["video_id"], table["clip_id"], strict=True))
    match = Match()
    differ = 0
    for video in rows_there:
        if any((video, source["clip_id"][row]) in ids for row in rows_there[video]):
            continue
        if video not in rows_here:
            match.apart[video] = "its video is not here"
            continue
        our_rows, their_rows = (
            _in_time(table, rows_here[video]),
            _in_time(source, rows_there[video]),
        )
        if len(rows_here[video]) != len(rows_there[video]):
            counts = (
                f"its video has {len(rows_there[video])} rows, and {len(rows_here[video])} here"
            )
            match.apart[video] = counts
        elif not our_rows or not their_rows:
            match.apart[video] = "its clips are not named by number or time"
        elif reason := _labels_differ(table, our_rows, source, their_rows, labels):
            match.apart[video] = reason
            differ += 1
        else:
            match.rows.update(zip(their_rows, our_rows, strict=True))
    videos = len({source["video_id"][row] for row in match.rows})
    if 10 * differ > videos + differ:
        return Match(apart=match.apart)
    return match


def _by_video(cells: Cells) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, video in enumerate(cells["video_id"]):
        rows.setdefault(video, []).append(row)
    return rows


def _in_time(cells: Cells, rows: Sequence[int]) -> list[int]:
    """The rows by start, or by what their clips are called; empty where that gives no order."""
    columns = [cells[name] for name in ("start", "clip_id") if name in cells]
    for column in columns:
        times = [_time(column[row]) for row in rows]
        if all(map(math.isfinite, times)) and len(set(times)) == len(times):
            return [row for _, row in sorted(zip(times, rows, strict=True))]
    return []


def _time(cell: str) -> float:
    """``6_368``, ``6.368`` and ``6`` as numbers; NaN for anything else."""
    seconds_text, _, part = cell.strip().replace(".", "_").partition("_")
    if not seconds_text.isdecimal() or not (part.isdecimal() or not part):
        return math.nan
    return float(f"{seconds_text}.{part or 0}")


def _labels_differ(
    table: Cells,
    our_rows: Sequence[int],
    source: Cells,
    their_rows: Sequence[int],
    labels: Mapping[str, float],
) -> str:
    compared = 0
    for name, within in labels.items():
        if name not in table or name not in source:
            continue
        for my_row, their_row in zip(our_rows, their_rows, strict=True):
            cells = table[name][my_row].strip(), source[name][their_row].strip()
            if not all(cells):
                continue
            compared += 1
            if not same(*cells, within):
                return f"column {name} differs"
    return "" if compared else "no label is known on both sides"


def same(a: str, b: str, within: float = 1e-4) -> bool:
    """Numbers by value: files are written with more or fewer digits."""
    if a.strip() == b.strip():
        return True
    try:
        return abs(number_of(a) - number_of(b)) <= within
    except ValueError:
        return False
