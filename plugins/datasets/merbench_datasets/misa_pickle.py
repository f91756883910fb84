"""The form ``misa-pickle``: the pickles of MISA (github.com/declare-lab/MISA) and of MAG-BERT
(github.com/WasifurRahman/BERT_multimodal_transformer): one of all splits, or a folder of train, dev
and test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api import PICKLES, Array, DataError, Modality, Sink, Source, as_text, unpickle
from merbench_datasets.common_tasks_and_streams import write_tasks
from merbench_datasets.form_settings import Numbered
from merbench_datasets.pickle_splits import mode_of, split_id, splits_of
from merbench_datasets.pickle_values import row_of_numbers
from merbench_datasets.sdk_label_rows import read_label_rows
from merbench_datasets.unread_content import note_unread_files, note_unread_names

_FEATURES: dict[int, tuple[str, Modality]] = {
    1: ("video.misa", "video"),
    2: ("audio.misa", "audio"),
}
"""Place among a row's parts -> stream."""


class MisaPickle(Numbered):
    """Per split a list of ``((words, visual [L, 47], acoustic [L, 74], word strings), label,
    segment)``: ragged, one step a word. MISA's ``words`` are numbers and its strings come fourth;
    MAG-BERT's ``words`` are the strings, and there is no fourth.

    ``label`` is [1, 1] (sentiment) or [1, 7] (sentiment and six emotions). The word strings become
    a stream of words, their numbers are not kept. The features stand as MISA normalised them,
    segment by segment.
    """

    looks_for = (
        "a pickle of lists of ((words, visual, acoustic, ...), label, segment), "
        "or a folder of train, dev and test"
    )

    def recognise(self, source: Source) -> str:
        if source.path.is_dir():
            files = _files(source.path)
            return "" if len(files) == 3 else "the folder has no train, dev and test pickle"
        if source.pickle is None:
            return "it is no pickle file"
        lists = splits_of(source, list)
        if not lists:
            return "it has no splits that are lists"
        return (
            ""
            if all(_is_row(rows[0]) for rows in lists.values() if rows)
            else "a row is not ((words, visual, acoustic), label, segment)"
        )

    def convert(self, source: Source, sink: Sink) -> None:
        files = _files(source.path) if source.path.is_dir() else {}
        for path in files.values() or [source.path]:
            sink.source(path)
        rows = _rows(source.path, _splits(source, files))
        words_of_row = [_words(row.parts) for row in rows]
        for sentence in _unread(rows, words_of_row):
            sink.note(sentence)
        if files:
            note_unread_files(sink, source.path, {path.name for path in files.values()})
        else:
            others = [key for key in source.pickle if not (isinstance(key, str) and mode_of(key))]
            note_unread_names(sink, source.path.name, others, set())
        names = [split_id(row.segment, self.config.first) for row in rows]
        labels = read_label_rows(sink, np.stack([row.label_C for row in rows]), self.config)
        columns = {
            "video_id": [video for video, _ in names],
            "clip_id": [clip for _, clip in names],
            "text": [" ".join(words) for words in words_of_row],
            "mode": [row.mode for row in rows],
        }
        sink.table(columns | labels.columns)
        write_tasks(sink, labels.task, labels.emotions)
        ids = ["_".join(name) for name in names]
        for index, (stream, modality) in _FEATURES.items():
            width = _width(source.path, rows, index)
            read = _reader(source.path, rows, index)
            note = "MISA's pickle, normalised within each segment"
            sink.features(stream, modality, width, ids, read, note=note)
        offered = [stream for stream, _ in _FEATURES.values()]
        if any(words_of_row):
            sink.words("text.words", ids, lambda i: (words_of_row[i], None), note="MISA's pickle")
            offered.insert(0, "text.words")
        sink.protocol("standard", column="mode", streams=offered)


@dataclass(frozen=True)
class _Row:
    """``parts``: words, visual, acoustic and, in MISA's own pickles, the words as strings.
    ``label_C``: the sentiment, or it and six emotions. ``more``: something follows these.
    """

    mode: str
    segment: str
    label_C: np.ndarray
    parts: Sequence[Any]
    more: bool


def _splits(source: Source, files: Mapping[str, Path]) -> dict[str, Any]:
    """All three, by mode. DataError where one is not there."""
    if files:
        splits = {mode: unpickle(path) for mode, path in files.items()}
    else:
        splits = splits_of(source, list)
    if lacks := {"train", "valid", "test"} - splits.keys():
        raise DataError(f"{source.path} has no split {min(lacks)!r}; give all three")
    return splits


def _rows(path: Path, splits: Mapping[str, Any]) -> list[_Row]:
    """DataError, naming the row, for what is none, and for labels of several lengths."""
    rows = []
    for mode, split in splits.items():
        if not isinstance(split, list):
            raise DataError(f"{path}: split {mode} is no list of rows; fix the source")
        for number, row in enumerate(split):
            rows.append(_row(row, mode, f"{path}, split {mode}, row {number}"))
    lengths = {len(row.label_C) for row in rows}
    if lengths not in ({1}, {7}):
        raise DataError(
            f"{path}: a label is [1, 1] (sentiment) or [1, 7] (and six emotions), "
            "the same in all rows"
        )
    return rows


def _row(row: Any, mode: str, origin: str) -> _Row:
    if not _is_row(row):
        raise DataError(
            f"{origin} is not ((words, visual, acoustic, ...), label, segment); fix the source"
        )
    parts, label, segment = row[:3]
    try:
        name = as_text(segment)
    except (TypeError, ValueError):
        raise DataError(f"{origin}: its segment is no text; fix the source") from None
    label_C = row_of_numbers(label, f"{origin}: label")
    return _Row(mode, name, label_C, parts, len(row) > 3)


def _width(path: Path, rows: Sequence[_Row], index: int) -> int:
    """Of the features at ``index`` of each row's parts. DataError where it is not one."""
    widths = {row.parts[index].shape[1] for row in rows if row.parts[index].ndim == 2}
    if len(widths) != 1:
        modality = _FEATURES[index][0].partition(".")[0]
        raise DataError(f"{path}: its {modality} rows are not all [steps, width] of one width")
    return int(widths.pop())


def _files(folder: Path) -> dict[str, Path]:
    """``mode -> file`` of train.pkl, dev.pkl and test.pkl."""
    return {
        mode_of(p.stem): p
        for p in sorted(folder.iterdir())
        if p.is_file() and mode_of(p.stem) and p.suffix in PICKLES
    }


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, tuple | list)
        and len(row) >= 3
        and isinstance(row[0], tuple | list)
        and len(row[0]) >= 3
        and all(isinstance(row[0][index], Array) for index in _FEATURES)
    )


def _words(parts: Sequence[Any]) -> list[str]:
    """The words of a row as strings: MAG-BERT's come first, MISA's fourth; empty where it has
    none.
    """
    return _strings(parts[0]) or (_strings(parts[3]) if len(parts) > 3 else [])


def _strings(value: Any) -> list[str]:
    """A list of texts; empty where it is anything else, such as numbers of words."""
    if not isinstance(value, Array | list | tuple):
        return []
    items = [value[i] for i in range(len(value))]
    if not all(isinstance(item, str | bytes) for item in items):
        return []
    return [as_text(item) for item in items]


def _unread(rows: list[_Row], words_of_row: list[list[str]]) -> list[str]:
    """A sentence for each part of the rows that is not taken over."""
    sentences = []
    if wordless := sum(not words for words in words_of_row):
        sentences.append(f"{wordless} of {len(rows)} rows have no words as strings")
    if numbered := sum(not _strings(row.parts[0]) for row in rows):
        sentences.append(
            f"the first part of {numbered} rows is no list of strings (numbers of words, or "
            "vectors) and is not taken over"
        )
    if longer := sum(row.more for row in rows):
        sentences.append(f"what follows the segment of {longer} rows is not taken over")
    longest = max(len(row.parts) for row in rows)
    if longest > 4:
        sentences.append(f"parts 5 to {longest} of a row are not taken over")
    return sentences


def _reader(path: Path, rows: list[_Row], index: int) -> Callable[[int], np.ndarray | None]:
    def read(row: int) -> np.ndarray | None:
        values: np.ndarray = rows[row].parts[index].read()
        if values.size and values.ndim != 2:
            raise DataError(
                f"{path}, {rows[row].segment}: its {_FEATURES[index][1]} has the shape "
                f"{list(values.shape)}, and not [steps, width]; fix the source"
            )
        return values if values.size else None

    return read
