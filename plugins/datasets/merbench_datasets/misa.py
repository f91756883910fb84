"""The form ``misa-pickle``: the pickles of MISA (github.com/declare-lab/MISA) and of MAG-BERT
(github.com/WasifurRahman/BERT_multimodal_transformer): one of all splits, or a folder of train, dev
and test.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api import PICKLES, Array, DataError, Modality, Sink, Source, as_text, unpickle
from merbench_datasets.form_settings import Numbered
from merbench_datasets.label_scale import cells, label_cells, label_task
from merbench_datasets.outputs import EMOTIONS, write_tasks
from merbench_datasets.splits import MODES, split_id, splits_of
from merbench_datasets.values import row_of_numbers

_FEATURES: dict[int, tuple[str, Modality]] = {
    1: ("video.misa", "video"),
    2: ("audio.misa", "audio"),
}


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
        lists = splits_of(source.pickle, list)
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
        splits = (
            {mode: unpickle(path) for mode, path in files.items()}
            if files
            else splits_of(source.pickle, list)
        )
        if lacks := {"train", "valid", "test"} - splits.keys():
            raise DataError(f"{source.path} has no split {min(lacks)!r}; give all three")
        rows, modes, names, labels = list[Any](), list[str](), list[str](), list[np.ndarray]()
        for mode, split in splits.items():
            if not isinstance(split, list):
                raise DataError(f"{source.path}: split {mode} is no list of rows; fix the source")
            for at, row in enumerate(split):
                place = f"{source.path}, split {mode}, row {at}"
                if not _is_row(row):
                    raise DataError(
                        f"{place} is not ((words, visual, acoustic, ...), label, segment); "
                        "fix the source"
                    )
                try:
                    names.append(as_text(row[2]))
                except (TypeError, ValueError):
                    raise DataError(f"{place}: its segment is no text; fix the source") from None
                labels.append(row_of_numbers(row[1], f"{place}: label"))
                rows.append(row[0])
                modes.append(mode)
        if len({len(label) for label in labels}) != 1 or len(labels[0]) not in (1, 7):
            raise DataError(
                f"{source.path}: a label is [1, 1] (sentiment) or [1, 7] (and six emotions), "
                "the same in all rows"
            )
        words_of_row = [_words(row) for row in rows]
        for sentence in _unread(rows, words_of_row):
            sink.note(sentence)
        table, parts = np.stack(labels), [split_id(name, self.config.first) for name in names]
        columns = {
            "video_id": [v for v, _ in parts],
            "clip_id": [c for _, c in parts],
            "text": [" ".join(words) for words in words_of_row],
            "mode": modes,
        }
        task = label_task(sink, table[:, 0], self.config)
        columns["label"] = label_cells(sink, table[:, 0], task)
        emotions = EMOTIONS if table.shape[1] == 7 else ()
        for k, emotion in enumerate(emotions):
            columns[emotion] = cells(table[:, 1 + k])[0]
        if emotions:
            sink.note(
                f"its seven labels are read in the SDK's order: sentiment, {', '.join(emotions)}"
            )
        sink.table(columns)
        write_tasks(sink, task, emotions)
        ids = ["_".join(part) for part in parts]
        offered = []
        for at, (stream, modality) in _FEATURES.items():
            widths = {row[at].shape[1] for row in rows if row[at].ndim == 2}
            if len(widths) != 1:
                raise DataError(
                    f"{source.path}: its {stream.partition('.')[0]} rows are not all [steps, "
                    "width] of one width"
                )
            sink.features(
                stream,
                modality,
                widths.pop(),
                ids,
                _reader(rows, at),
                note="MISA's pickle, normalised within each segment",
            )
            offered.append(stream)
        if any(words_of_row):
            sink.words("text.words", ids, lambda i: (words_of_row[i], None), note="MISA's pickle")
            offered.insert(0, "text.words")
        sink.protocol("standard", column="mode", streams=offered)


def _files(folder: Path) -> dict[str, Path]:
    """``mode -> file`` of train.pkl, dev.pkl and test.pkl."""
    return {
        MODES[p.stem]: p
        for p in sorted(folder.iterdir())
        if p.is_file() and p.stem in MODES and p.suffix in PICKLES
    }


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, tuple | list)
        and len(row) >= 3
        and isinstance(row[0], tuple | list)
        and len(row[0]) >= 3
        and all(isinstance(row[0][at], Array) for at in _FEATURES)
    )


def _words(row: Any) -> list[str]:
    """The words of a row as strings: MAG-BERT's come first, MISA's fourth; empty where it has
    none.
    """
    return _strings(row[0]) or (_strings(row[3]) if len(row) > 3 else [])


def _strings(value: Any) -> list[str]:
    """A list of texts; empty where it is anything else, such as numbers of words."""
    if not isinstance(value, Array | list | tuple):
        return []
    items = [value[i] for i in range(len(value))]
    if not all(isinstance(item, str | bytes) for item in items):
        return []
    return [as_text(item) for item in items]


def _unread(rows: list[Any], words_of_row: list[list[str]]) -> list[str]:
    """A sentence for each part of the rows that is not taken over."""
    sentences = []
    if wordless := sum(not words for words in words_of_row):
        sentences.append(f"{wordless} of {len(rows)} rows have no words as strings")
    if numbered := sum(not _strings(row[0]) for row in rows):
        sentences.append(
            f"the first part of {numbered} rows is no list of strings (numbers of words, or "
            "vectors) and is not taken over"
        )
    longest = max(len(row) for row in rows)
    if longest > 4:
        sentences.append(f"parts 5 to {longest} of a row are not taken over")
    return sentences


def _reader(rows: list[Any], at: int) -> Callable[[int], np.ndarray | None]:
    def read(row: int) -> np.ndarray | None:
        values_LD: np.ndarray = rows[row][at].read()
        return values_LD if values_LD.ndim == 2 and len(values_LD) else None

    return read
