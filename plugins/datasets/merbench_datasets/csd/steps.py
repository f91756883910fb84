"""Steps of a sequence cut to utterances: those whose middle lies in one, means over words, and what
is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from merbench_datasets.csd.rows import (
    Rows,
)
from merbench_datasets.csd.sequence import CsdSequence

LEAST_SHARED = 1e-3 - 1e-9
"""Seconds that a step and a word share at least: the SDK's align() drops shorter overlaps."""


def entry_of(sequence: CsdSequence, rows: Rows, row_id: str) -> tuple[str, bool]:
    return sequence.entry(rows.video[row_id], rows.number.get(row_id), rows.interval[row_id])


def steps_within(sequence: CsdSequence, rows: Rows, row_id: str) -> tuple[Any, np.ndarray]:
    """``(features or words, intervals)``, in time, of the steps whose middle lies in the utterance,
    or of all in an entry of its own; broken intervals belong nowhere.
    """
    entry, own_entry = entry_of(sequence, rows, row_id)
    if not entry:
        return [], np.zeros((0, 2))
    values, intervals = sequence.read(entry)
    start, end = rows.interval[row_id]
    middle = intervals.mean(axis=1)
    inside = np.flatnonzero(
        (own_entry | (middle >= start) & (middle < end)) & _has_valid_interval(intervals)
    )
    inside = inside[np.argsort(intervals[inside, 0], kind="stable")]
    return values[inside], intervals[inside]


def words_within(sequence: CsdSequence, rows: Rows, row_id: str) -> tuple[list[str], np.ndarray]:
    values, intervals = steps_within(sequence, rows, row_id)
    return list(values), intervals


def _has_valid_interval(intervals: np.ndarray) -> np.ndarray:
    return np.isfinite(intervals).all(axis=1) & (intervals[:, 0] <= intervals[:, 1])


def means_of_words(
    values: np.ndarray, intervals: np.ndarray, word_intervals: np.ndarray
) -> np.ndarray:
    """[words, width]: the mean of the steps that share ``LEAST_SHARED`` seconds with each word; NaN
    where none does.
    """
    out = np.full((len(word_intervals), values.shape[1]), np.nan, dtype=np.float32)
    sound = _has_valid_interval(intervals)
    for w, (start, end) in enumerate(word_intervals):
        shared = np.minimum(intervals[:, 1], end) - np.maximum(intervals[:, 0], start)
        touch = sound & (shared >= LEAST_SHARED)
        if touch.any():
            out[w] = finite_mean(values[touch])
    return out


def finite_mean(values: np.ndarray) -> np.ndarray:
    """[width]: mean over the steps, values that are not finite left out; NaN where there are no
    others.
    """
    finite = np.isfinite(values)
    total = np.where(finite, values, 0).sum(axis=0, dtype=np.float64)
    return np.where(finite.any(axis=0), total / np.maximum(finite.sum(axis=0), 1), np.nan)


def sentences_on_left_out_steps(sequence: CsdSequence, rows: Rows) -> list[str]:
    """What of it goes nowhere: steps between the utterances, steps without a sound interval, videos
    without an utterance.
    """
    spans: dict[str, list[tuple[float, float]]] = {}
    for row_id, interval in rows.interval.items():
        entry, own_entry = entry_of(sequence, rows, row_id)
        if entry:
            spans.setdefault(entry, []).append((-np.inf, np.inf) if own_entry else interval)
    unknown = [entry for entry in sequence.steps if entry not in spans]
    broken: dict[str, int] = {}
    steps = inside = 0
    for entry, utterances in spans.items():
        intervals = sequence.intervals(entry)
        sound = _has_valid_interval(intervals)
        if not sound.all():
            broken[entry] = int((~sound).sum())
        middle = intervals[sound].mean(axis=1)
        steps += len(intervals)
        within = [(middle >= start) & (middle < end) for start, end in utterances]
        inside += int(np.logical_or.reduce(within).sum())
    sentences = []
    if outside := steps - inside - sum(broken.values()):
        sentences.append(f"{outside:,} of {steps:,} steps are in no utterance")
    if broken:
        sentences.append(
            f"{sum(broken.values()):,} steps have an interval that is none and are left out (of "
            f"{_names(list(broken))})"
        )
    if unknown:
        kind = "entries" if sequence.segments else "videos"
        sentences.append(f"{len(unknown)} {kind} have no utterance ({_names(unknown)})")
    return sentences


def _names(items: Sequence[str]) -> str:
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")
