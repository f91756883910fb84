"""The form ``table``: a csv or parquet of ids, texts and labels, and MELD's csv files
(github.com/declare-lab/MELD).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np

from merbench.api import LATER, DataError, Sink, Source, count_of, have
from merbench_datasets.form_settings import Labelled
from merbench_datasets.joined_labels import column_of, in_order, labels_in, sign_between
from merbench_datasets.label_scale import label_cells, label_task
from merbench_datasets.label_values import numbers_in, word_in
from merbench_datasets.pickle_splits import mode_of, named_rows
from merbench_datasets.table_clips import note_clips, write_clips
from merbench_datasets.table_files import (
    Columns,
    columns_named,
    counted,
    files_of,
    lower_case_names,
    read_columns,
    whole_numbers,
)

_TEXTS = ("text", "utterance", "transcript", "sentence")
_LABELS = ("label", "emotion", "sentiment")
_SPLITS = ("mode", "split")
_MELD = ("Utterance", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
_MOST_CLASSES = 50


class Table(Labelled):
    """One row an utterance. ``video_id`` and ``clip_id``, or one column ``id`` of both
    (``VIDEO_CLIP``, ``VIDEO$_$CLIP``, ``VIDEO[CLIP]``; or of any other names), name it; without
    ``clip_id`` the rows of a video are counted from 0 in their order. A column
    ``mode`` or ``split`` says who trains, or a folder has a file each (``train.csv``, ``dev.csv``,
    ``test.csv``, MELD's ``train_sent_emo.csv``). All other columns are kept.

    A folder may also hold one table of all rows and nothing else but folders, such as of clips.

    A column of labels that is of numbers is a score (or two classes), but for ``emotion``, whose
    whole numbers are classes; of words, classes, in alphabetical order. Where cells join several
    (``joy|anger``, ``joy;anger``, ``['joy', 'anger']``), a row may have any number of them.
    """

    looks_for = (
        "a csv or parquet with text, label, mode and ids, or a folder of train, dev and test, or "
        "of one table with clips beside it"
    )

    class Config(Labelled.Config):
        text: str = ""
        """Column of the texts.  [default: text, utterance, transcript or sentence]"""
        labels: str = ""
        """Columns of labels, separated by commas; a task each.  [default: those of label, emotion
        and sentiment that are there]
        """
        classes: Annotated[str, LATER] = "emotion"
        """Columns of labels, separated by commas, whose whole numbers are names of classes."""
        words: Annotated[str, LATER] = ""
        """Words of those classes in the order of their numbers, separated by commas."""
        video: str = ""
        """Column of the video or dialogue, whose rows a split should not part.  [default: video_id]
        """
        clip: str = ""
        """Column of the utterance in its video.  [default: clip_id]"""
        clips: str = ""
        """Where the clip of a row lies, beside the table: ``wav/{video_id}_{clip_id}.wav``, or with
        names of other columns in braces. Clips stay where they are.
        """

    def recognise(self, source: Source) -> str:
        if (source.path / "dataset.toml").exists() or (source.path / "Raw").exists():
            return "it is a feature folder or has clips"
        files = files_of(source.path)
        if not files:
            return "it is no csv or parquet, and no folder of train, dev and test"
        columns = columns_named(next(iter(files.values())))
        lower = [name.strip().lower() for name in columns]
        if not (self.config.text or set(lower) & set(_TEXTS)):
            return f"it has no column of texts ({', '.join(columns)[:200]})"
        if not (self.config.labels or set(lower) & set(_LABELS)):
            return f"it has no column of labels ({', '.join(columns)[:200]})"
        return ""

    def convert(self, source: Source, sink: Sink) -> None:
        columns = self._read(source.path, sink)
        tasks = {}
        for name in self._labels(columns, source.path):
            if sign := sign_between(columns[name]):
                tasks[name] = self._joined(sink, name, columns, sign, source.path)
            else:
                columns[name], task = self._task(sink, name, columns[name], source.path)
                tasks[name] = {"column": name, **task}
        sink.table(columns)
        for name, task in tasks.items():
            score = name == "label" and task["kind"] == "score" and "sentiment" not in tasks
            sink.task("sentiment" if score else name, **task)
        sink.stream("text.transcript", modality="text", kind="strings", column="text")
        streams = ["text.transcript"]
        folder = source.path if source.path.is_dir() else source.path.parent
        if self.config.clips:
            streams += write_clips(sink, folder, self.config.clips, columns)
        elif source.path.is_dir():
            note_clips(sink, folder)
        sink.protocol("standard", column="mode", streams=streams)

    def _read(self, path: Path, sink: Sink) -> Columns:
        """All files, one after the other, with video_id, clip_id, text and mode."""
        columns: Columns = {}
        rows = 0
        rows_of_video = Counter[str]()
        listed = _names(self.config.labels) or _LABELS
        files = files_of(path)
        for file in files.values():
            sink.source(file)
        tables = {mode: read_columns(file, sink, listed) for mode, file in files.items()}
        ids = [
            cell
            for table in tables.values()
            for name in table
            if name.strip().lower() == "id"
            for cell in table[name]
        ]
        for mode, unnamed in tables.items():
            table = self._named(unnamed, mode, files[mode], rows_of_video, ids)
            count = len(table["video_id"])
            for name in [*columns, *table]:
                cells = columns.setdefault(name, [""] * rows)
                cells += table.get(name, [""] * count) if len(cells) == rows else []
            rows += count
        return columns

    def _named(
        self,
        table: Columns,
        mode: str,
        path: Path,
        rows_of_video: Counter[str],
        ids: Sequence[str],
    ) -> Columns:
        """The columns under the names that a data set has for them. ``ids``: of all files, where
        they have a column of that name.
        """
        if set(_MELD) <= table.keys():
            table = _meld(table, mode or "meld")
        columns = lower_case_names(table, path)
        self._check_named(columns, path)
        video, clip = self.config.video.lower(), self.config.clip.lower()
        video, clip = video or "video_id", clip or "clip_id"
        if video in columns:
            columns["video_id"] = columns[video]
        if clip in columns:
            columns["clip_id"] = columns[clip]
        if "video_id" not in columns and "id" in columns:
            columns |= named_rows(columns["id"], ids)
        for name in {"video_id", "clip_id"} & columns.keys():
            columns[name] = whole_numbers(columns[name])
        if "video_id" in columns and "clip_id" not in columns:
            columns["clip_id"] = counted(columns["video_id"], rows_of_video)
        text = self.config.text.lower() or next((n for n in _TEXTS if n in columns), "text")
        split = next((name for name in _SPLITS if name in columns), "mode")
        if split in columns and not mode:
            columns["mode"] = [mode_of(cell) or cell for cell in columns[split]]
        elif mode:
            columns["mode"] = [mode] * len(columns.get("video_id", ()))
        if text in columns:
            columns["text"] = columns[text]
        for name in ("video_id", "clip_id", "text", "mode"):
            if name not in columns:
                raise DataError(
                    f"{path} has no column for {name}; it has {', '.join(table)}. Rename one, or "
                    "name it: --form table --set video=COLUMN (clip=, text=, labels=); splits come "
                    "from a column mode or a file each"
                )
        return columns

    def _check_named(self, columns: Columns, path: Path) -> None:
        """A column that the user named is there: another would be read in its place, unsaid."""
        for field in ("text", "video", "clip"):
            name = getattr(self.config, field)
            if name and name.lower() not in columns:
                raise DataError(
                    f"--set {field}={name}: {path} has no such column; it has {', '.join(columns)}"
                )

    def _labels(self, columns: Columns, path: Path) -> list[str]:
        label_names = _names(self.config.labels)
        if absent := [name for name in label_names if name not in columns]:
            raise DataError(f"{path} has no column {absent[0]!r}; it has {', '.join(columns)}")
        return label_names or [name for name in _LABELS if name in columns]

    def _task(
        self, sink: Sink, name: str, cells: Sequence[str], path: Path
    ) -> tuple[list[str], dict[str, object]]:
        """The column as it is written, and its task."""
        values_N = numbers_in(cells, f"{path}: column {name}")
        if values_N is None:
            return _words(sink, name, cells, path)
        if not np.isfinite(values_N).any():
            raise DataError(f"{path}: column {name} is empty; leave it out, or fill it")
        if name in _names(self.config.classes) and _are_codes(values_N):
            return self._coded(sink, name, values_N, path)
        task = label_task(sink, values_N, self.config)
        return label_cells(sink, values_N, task), task

    def _joined(
        self, sink: Sink, name: str, columns: Columns, sign: str, path: Path
    ) -> dict[str, object]:
        """A task of several labels a row; each of them gets a column."""
        cells = columns[name]
        labels_of_row = [labels_in(cell, sign) for cell in cells]
        labels = in_order(set[str]().union(*labels_of_row))
        words = self._words_for(labels, name, path)
        if len(labels) > _MOST_CLASSES:
            raise _too_many(path, name, len(labels))
        several = sum(len(row) > 1 for row in labels_of_row)
        sink.note(
            f"{name}: {several} of {len(cells)} rows have several labels, joined by {sign!r}: any "
            f"number of {len(words)} ({', '.join(words)}); put another sign there where they are "
            "one label"
        )
        label_columns = {f"{name} {label}": column_of(label, cells, sign) for label in labels}
        if clashing := sorted(label_columns.keys() & columns.keys()):
            raise DataError(
                f"{path} has a column {clashing[0]!r}, as the labels of {name} get here; rename it"
            )
        columns |= label_columns
        return {"columns": list(label_columns), "kind": "multilabel", "words": words}

    def _words_for(self, codes: Sequence[str], name: str, path: Path) -> list[str]:
        """The user's words where the labels are numbers, else the labels themselves."""
        words = _names(self.config.words)
        if not words or not all(code.removeprefix("-").isdecimal() for code in codes):
            return list(codes)
        if len(words) != len(codes):
            raise DataError(
                f"{path}: column {name} has the {len(codes)} classes {', '.join(codes)}, "
                f"and --set words= gives {len(words)} words; give one each, in this order"
            )
        return words

    def _coded(
        self, sink: Sink, name: str, values_N: np.ndarray, path: Path
    ) -> tuple[list[str], dict[str, object]]:
        """A column of numbers that stand for classes, whose words the user may give."""
        known_N = np.isfinite(values_N)
        codes = np.unique(values_N[known_N]).astype(int).tolist()
        words = self._words_for([str(code) for code in codes], name, path)
        codes_text = ", ".join(f"{c} = {w}" for c, w in zip(codes, words, strict=True))
        advice = "" if self.config.words else "; words for them: --form table --set words=WORD,WORD"
        sink.note(f"{name}: {len(codes)} classes ({codes_text}){advice}")
        word_of = dict(zip(codes, words, strict=True))
        cells = [
            word_of[int(x)] if known else "" for x, known in zip(values_N, known_N, strict=True)
        ]
        return cells, {"kind": "class", "words": words}


def _names(setting: str) -> list[str]:
    return [name.strip().lower() for name in setting.split(",") if name.strip()]


def _are_codes(values_N: np.ndarray) -> bool:
    """Whole numbers, two or more, and no more than a column of labels has."""
    values = np.unique(values_N[np.isfinite(values_N)])
    return 2 <= len(values) <= _MOST_CLASSES and bool((values == np.round(values)).all())


def _words(
    sink: Sink, name: str, cells: Sequence[str], path: Path
) -> tuple[list[str], dict[str, object]]:
    labels = [word_in(cell) for cell in cells]
    words = sorted({*labels} - {""})
    if len(words) > _MOST_CLASSES:
        raise _too_many(path, name, len(words))
    sink.note(f"{name}: {len(words)} classes ({', '.join(words)})")
    if unknown := labels.count(""):
        sink.note(f"{name}: {count_of(unknown, 'row')} {have(unknown)} no label")
    return labels, {"kind": "class", "words": words}


def _too_many(path: Path, name: str, count: int) -> DataError:
    return DataError(
        f"{path}: column {name} has {count} words, and is no column of labels; name those with "
        "--form table --set labels=COLUMN"
    )


def _meld(table: Columns, mode: str) -> Columns:
    """MELD counts dialogues anew in each split: a video is a split's dialogue."""
    table_by_name = dict(table)
    table_by_name["video_id"] = [
        f"{mode}_dia{number}" for number in table_by_name.pop("Dialogue_ID")
    ]
    table_by_name["clip_id"] = [f"utt{number}" for number in table_by_name.pop("Utterance_ID")]
    return table_by_name
