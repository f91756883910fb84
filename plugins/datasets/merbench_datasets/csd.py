"""The form ``csd``: computational sequences of the CMU-MultimodalSDK, cut into utterances.

A folder: every ``.csd`` in it, the labels' (its intervals are the utterances), and a file that says
who trains and who tests: the SDK's ``cmu_mosi_std_folds.py`` or a ``label.csv``. Or one ``.csd``
that joins a data set which is there, with ``segments`` or labels beside it.

A step belongs to the utterance in whose interval its middle lies; where the SDK has cut a sequence
already (entries ``VIDEO[k]``), segment k has all the steps of its entry. Words keep their times;
the pause ``sp`` stays a word with times, and is left out of the transcript alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from merbench.api import Config, DataError, Modality, Sink, Source
from merbench_datasets import csd_file
from merbench_datasets.csd_rows import (
    EMOTIONS,
    Beside,
    Rows,
    Splits,
    labelled,
    main_first,
    segments,
)

PAUSE = "sp"
LEAST_SHARED = 1e-3 - 1e-9
"""Seconds that a step and a word share at least: the SDK's align() drops shorter overlaps."""
_MODALITY: dict[Modality, str] = {
    "video": r"visual|facet|openface|video|face",
    "audio": r"acoustic|audio|covarep|opensmile|wav",
    "text": r"language|word|glove|bert|text|phone",
}


class Csd:
    """Streams of every sequence, cut to the utterances and kept as sequences, pooled, or aligned to
    the words.
    """

    looks_for = "a .csd file, or a folder of them with the SDK's file of folds or a label.csv"

    class Config(Config):
        pool: Literal["none", "mean"] = "none"
        """mean: one step an utterance, the mean of its finite values."""
        align: Literal["none", "words"] = "none"
        """words: one step a word, pauses among them, the mean of the steps that overlap it by a
        millisecond; NaN where there are none. As the SDK's align(), but for two things: a word
        belongs to the one utterance in which its middle lies (the SDK gives it to each that it
        touches), and what is not finite is left out of a mean.
        """
        splits: str = ""
        """The file of folds, where it lies elsewhere."""
        segments: str = ""
        """Intervals of the rows that are there, in place of labels: .npz with id, video, start,
        end, or a table with start and end.
        """
        stream: str = ""
        """Name of the stream, where one .csd is added."""
        modality: Literal["", "text", "audio", "video"] = ""
        """Of that stream, where its file's name does not tell."""
        first: Annotated[int, Field(ge=0)] | None = None
        """Number of a video's first utterance. Without it 1, or 0 where the label.csv has a clip 0.
        """

    def __init__(self, config: Config) -> None:
        self.config = config

    def recognise(self, source: Source) -> str:
        return "" if _files(source.path) else "there is no .csd"

    def convert(self, source: Source, sink: Sink) -> None:
        files = _files(source.path)
        labels = [path for path in files if "label" in path.stem.lower()]
        beside = labels or (
            []
            if source.path.is_dir()
            else [p for p in _files(source.path.parent) if "label" in p.stem.lower()]
        )
        for path in files:
            sink.source(path)
        with ExitStack() as stack:
            opened = {
                path: stack.enter_context(closing(csd_file.Sequence(path)))
                for path in files
                if path not in labels
            }
            words = _words([s for s in opened.values() if s.width is None])
            if not opened:
                raise DataError(
                    f"{source.path} holds labels and no other .csd; "
                    "put the sequences that models are to read beside them"
                )
            if self.config.segments:
                where = Path(self.config.segments).expanduser()
                rows = segments(where)
                sink.source(where)
            elif beside:
                tables = [stack.enter_context(closing(csd_file.Sequence(p))) for p in beside]
                rows = self._labelled(tables, source.path, sink, words)
            else:
                raise DataError(
                    f"{source.path} has no file of labels, whose intervals are the utterances; "
                    "put CMU_MOSI_Opinion_Labels.csd or "
                    "CMU_MOSEI_Labels.csd beside it, or join the rows of a data set that is there "
                    "with --form csd --set segments=FILE (a .npz with id, video, start and end, "
                    "or a table with start and end)"
                )
            if not rows.interval:
                raise DataError(
                    f"{source.path}: no utterance is left ({_first(rows.refused)}); "
                    "look at its labels and its file of splits"
                )
            for row_id, why in rows.refused if self.config.segments else ():
                sink.refuse(row_id, why)
            if not sink.ids:
                raise DataError(
                    "there are no rows yet to which --set segments could join; add the labels first"
                )
            offered: dict[str, str] = {}
            for path, sequence in sorted(opened.items(), key=lambda item: item[1] is not words):
                modality, name = self._named(path, sequence, alone=len(opened) == 1)
                self._stream(name, modality, sequence, rows, words, sink)
                offered.setdefault(modality, name)
            if not self.config.segments:
                sink.protocol("standard", column="mode", streams=list(offered.values()))

    def _labelled(
        self,
        tables: list[csd_file.Sequence],
        path: Path,
        sink: Sink,
        words: csd_file.Sequence | None,
    ) -> Rows:
        """Rows from the labels, given to the sink as its table, with tasks and protocol."""
        labels, beside = main_first(tables)
        where = self._splits(path if path.is_dir() else path.parent)
        sink.source(where)
        splits = Splits(where)
        first = (
            self.config.first
            if self.config.first is not None
            else splits.first
            if splits.first is not None
            else 1
        )
        rows = labelled(labels, splits, first, beside)
        if not rows.interval:
            return rows
        for other in beside:
            _note_joined(other, rows, labels.path, sink)
        new = not sink.ids
        if words is not None:
            rows.columns["text"] = [
                " ".join(w for w in _cut(words, rows, row_id)[0] if w != PAUSE)
                for row_id in rows.interval
            ]
        sink.table(rows.columns)
        for row_id, why in [
            *rows.refused,
            *((f"{video} of {labels.path.name}", why) for video, why in labels.refused.items()),
        ]:
            sink.refuse(row_id, why)
        if new and words is not None:
            sink.stream("text.transcript", modality="text", kind="strings", column="text")
        sink.task("sentiment", column="label", kind="score", low=-3.0, high=3.0)
        if emotions := [name for name in rows.columns if name in EMOTIONS]:
            sink.task("emotions", columns=emotions, kind="multilabel", words=emotions)
        return rows

    def _splits(self, folder: Path) -> Path:
        if self.config.splits:
            return Path(self.config.splits).expanduser()
        files = [*sorted(folder.glob("*folds*.py")), *sorted(folder.glob("label.csv"))]
        if len(files) != 1:
            problem = (
                f"holds {files[0].name} and {files[1].name}"
                if files
                else "says nowhere who trains and who tests"
            )
            raise DataError(
                f"{folder} {problem}; put the SDK's cmu_mosi_std_folds.py or "
                "cmu_mosei_std_folds.py, or a label.csv, beside the .csd files, "
                "or name it: --form csd --set splits=FILE"
            )
        return files[0]

    def _named(
        self, path: Path, sequence: csd_file.Sequence, *, alone: bool
    ) -> tuple[Modality, str]:
        modality: Modality = (
            "text" if sequence.width is None else self.config.modality or _modality(path)
        )
        return modality, self.config.stream if alone and self.config.stream else stream_name(
            path, modality, sequence.width is None
        )

    def _stream(
        self,
        name: str,
        modality: Modality,
        sequence: csd_file.Sequence,
        rows: Rows,
        words: csd_file.Sequence | None,
        sink: Sink,
    ) -> None:
        path = sequence.path
        for video, why in sequence.refused.items():
            sink.refuse(f"{video} of {path.name}", why)
        for sentence in _left_out(sequence, rows):
            sink.note(f"{path.name}: {sentence}")
        ids = [row_id for row_id in rows.interval if _entry(sequence, rows, row_id)[0]]
        note = f"{path.name} of the CMU-MultimodalSDK"
        if sequence.width is None:
            sink.words(name, ids, lambda i: _said(sequence, rows, ids[i]), note=note)
            return
        if self.config.align == "words" and words is None:
            raise DataError(
                f"{path.parent} has no .csd of words to which {path.name} could be aligned; "
                "put it there, or leave align=words out"
            )
        note += {"mean": ", mean of an utterance", "none": ""}[self.config.pool] + {
            "words": ", mean of a word",
            "none": "",
        }[self.config.align]
        sink.features(
            name,
            modality,
            sequence.width,
            ids,
            lambda i: self._features(sequence, rows, words, ids[i]),
            note=note,
        )

    def _features(
        self, sequence: csd_file.Sequence, rows: Rows, words: csd_file.Sequence | None, row_id: str
    ) -> np.ndarray | None:
        if self.config.align == "words" and words is not None:
            if not _entry(words, rows, row_id)[0]:
                return None
            when = _cut(words, rows, row_id)[1]
            values, intervals = sequence.read(_entry(sequence, rows, row_id)[0])
            return _means(values, intervals, when)
        values, _ = _cut(sequence, rows, row_id)
        if self.config.pool == "mean" and len(values):
            return _mean(values)[None]
        return values


def _note_joined(other: Beside, rows: Rows, path: Path, sink: Sink) -> None:
    """How many rows have labels of a second file, and which of its intervals have no row."""
    without = sum(not any(cells) for cells in zip(*map(rows.columns.get, other.names), strict=True))
    count = len(rows.interval)
    sink.note(
        f"{other.path.name}: labels of {count - without:,} of {count:,} rows are joined by video "
        "and interval"
    )
    for video, (start, end) in other.unused:
        sink.refuse(
            f"{video} from {start:g} to {end:g} s of {other.path.name}",
            f"{path.name} has no such interval",
        )


def _words(sequences: Sequence[csd_file.Sequence]) -> csd_file.Sequence | None:
    """The transcript: the only sequence of texts but for phonemes, or the one whose name says that
    it holds words.
    """
    spoken = [s for s in sequences if "phone" not in s.path.stem.lower()]
    chosen = [s for s in spoken if "word" in s.path.stem.lower()] or spoken
    if len(chosen) > 1:
        first, second = (s.path for s in chosen[:2])
        raise DataError(
            f"{first.parent} has two .csd files of words, {first.name} and {second.name}; "
            "leave the one there that is the transcript"
        )
    return chosen[0] if chosen else None


def _entry(sequence: csd_file.Sequence, rows: Rows, row_id: str) -> tuple[str, bool]:
    return sequence.entry(rows.video[row_id], rows.number.get(row_id), rows.interval[row_id])


def _cut(sequence: csd_file.Sequence, rows: Rows, row_id: str) -> tuple[Any, np.ndarray]:
    """``(features or words, intervals)``, in time, of the steps whose middle lies in the utterance,
    or of all in an entry of its own; broken intervals belong nowhere.
    """
    entry, alone = _entry(sequence, rows, row_id)
    if not entry:
        return [], np.zeros((0, 2))
    values, intervals = sequence.read(entry)
    start, end = rows.interval[row_id]
    middle = intervals.mean(axis=1)
    inside = np.flatnonzero((alone | (middle >= start) & (middle < end)) & _sound(intervals))
    inside = inside[np.argsort(intervals[inside, 0], kind="stable")]
    return values[inside], intervals[inside]


def _said(sequence: csd_file.Sequence, rows: Rows, row_id: str) -> tuple[list[str], np.ndarray]:
    values, intervals = _cut(sequence, rows, row_id)
    return list(values), intervals


def _sound(intervals: np.ndarray) -> np.ndarray:
    return np.isfinite(intervals).all(axis=1) & (intervals[:, 0] <= intervals[:, 1])


def _means(values: np.ndarray, intervals: np.ndarray, when: np.ndarray) -> np.ndarray:
    """[words, width]: the mean of the steps that share ``LEAST_SHARED`` seconds with each word; NaN
    where none does.
    """
    out = np.full((len(when), values.shape[1]), np.nan, dtype=np.float32)
    sound = _sound(intervals)
    for w, (start, end) in enumerate(when):
        shared = np.minimum(intervals[:, 1], end) - np.maximum(intervals[:, 0], start)
        touch = sound & (shared >= LEAST_SHARED)
        if touch.any():
            out[w] = _mean(values[touch])
    return out


def _mean(values: np.ndarray) -> np.ndarray:
    """[width]: mean over the steps, values that are not finite left out; NaN where there are no
    others.
    """
    finite = np.isfinite(values)
    total = np.where(finite, values, 0).sum(axis=0, dtype=np.float64)
    return np.where(finite.any(axis=0), total / np.maximum(finite.sum(axis=0), 1), np.nan)


def _left_out(sequence: csd_file.Sequence, rows: Rows) -> list[str]:
    """What of it goes nowhere: steps between the utterances, steps without a sound interval, videos
    without an utterance.
    """
    spans: dict[str, list[tuple[float, float]]] = {}
    for row_id, interval in rows.interval.items():
        entry, alone = _entry(sequence, rows, row_id)
        if entry:
            spans.setdefault(entry, []).append((-np.inf, np.inf) if alone else interval)
    unknown = [entry for entry in sequence.steps if entry not in spans]
    broken: dict[str, int] = {}
    steps = inside = 0
    for entry, utterances in spans.items():
        intervals = sequence.intervals(entry)
        sound = _sound(intervals)
        if not sound.all():
            broken[entry] = int((~sound).sum())
        middle = intervals[sound].mean(axis=1)
        steps += len(intervals)
        within = [(middle >= start) & (middle < end) for start, end in utterances]
        inside += int(np.logical_or.reduce(within).sum())
    sentences = []
    if left := steps - inside - sum(broken.values()):
        sentences.append(f"{left:,} of {steps:,} steps lie in no utterance")
    if broken:
        sentences.append(
            f"{sum(broken.values()):,} steps have an interval that is none and are left out (of "
            f"{_names(list(broken))})"
        )
    if unknown:
        kind = "entries" if sequence.segments else "videos"
        sentences.append(f"{len(unknown)} {kind} have no utterance ({_names(unknown)})")
    return sentences


def stream_name(path: Path, modality: Modality, words: bool) -> str:
    """``CMU_MOSI_Visual_Facet_42`` -> ``video.facet-42``; ``CMU_MOSI_TimestampedWords`` ->
    ``text.words``.
    """
    stem = re.sub(r"^CMU_MOSE?I_|Visual_?|Acoustic_?", "", path.stem, flags=re.IGNORECASE)
    plain = "-".join(re.findall(r"[a-z0-9]+", stem.lower()))
    return (
        "text.words"
        if words and plain == "timestampedwords"
        else f"{'text' if words else modality}.{plain or 'csd'}"
    )


def _modality(path: Path) -> Modality:
    for modality, pattern in _MODALITY.items():
        if re.search(pattern, path.stem, flags=re.IGNORECASE):
            return modality
    raise DataError(
        f"{path.name} does not tell its modality; "
        "add it alone, with --form csd --set modality=audio (or text, video)"
    )


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(
            p for p in path.iterdir() if p.suffix == ".csd" and not p.name.startswith(".")
        )
    return [path] if path.suffix == ".csd" else []


def _names(items: Sequence[str]) -> str:
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")


def _first(refused: Sequence[tuple[str, str]]) -> str:
    return ": ".join(refused[0]) if refused else "its labels are empty"
