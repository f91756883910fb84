"""The form ``table``: a csv or parquet of ids, texts and labels, and MELD's csv files
(github.com/declare-lab/MELD).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from merbench.api import DataError, Sink, Source
from merbench_datasets.form_settings import Labelled
from merbench_datasets.label_scale import label_cells, label_task
from merbench_datasets.splits import MODES

_SUFFIXES = (".csv", ".tsv", ".parquet")
_TEXTS = ("text", "utterance", "transcript", "sentence")
_LABELS = ("label", "emotion", "sentiment")
_SPLITS = ("mode", "split")
_MELD = ("Utterance", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
_MOST_CLASSES = 50
Columns = dict[str, list[str]]


class Table(Labelled):
    """One row an utterance. ``video_id`` and ``clip_id``, or one column ``id``, name it; a column
    ``mode`` or ``split`` says who trains, or a folder has a file each (``train.csv``, ``dev.csv``,
    ``test.csv``, MELD's ``train_sent_emo.csv``). All other columns are kept.

    A column of labels that is of numbers is a score (or two classes); of words, classes, in
    alphabetical order.
    """

    looks_for = (
        "a csv or parquet with text, label, mode and ids, or a folder of train, dev and test"
    )

    class Config(Labelled.Config):
        text: str = ""
        """Column of the texts.  [default: text, utterance, transcript or sentence]"""
        labels: str = ""
        """Columns of labels, separated by commas; a task each.  [default: those of label, emotion
        and sentiment that are there]
        """
        video: str = ""
        """Column of the video or dialogue, whose rows a split should not part.  [default: video_id]
        """
        clip: str = ""
        """Column of the utterance in its video.  [default: clip_id]"""

    def recognise(self, source: Source) -> str:
        if (source.path / "dataset.toml").exists() or (source.path / "Raw").exists():
            return "it is a feature folder or has clips"
        files = _files(source.path)
        if not files:
            return "it is no csv or parquet, and no folder of train, dev and test"
        columns = _header(next(iter(files.values())))
        lower = [name.lower() for name in columns]
        if not (self.config.text or set(lower) & set(_TEXTS)):
            return f"it has no column of texts ({', '.join(columns)[:200]})"
        if not (self.config.labels or set(lower) & set(_LABELS)):
            return f"it has no column of labels ({', '.join(columns)[:200]})"
        return ""

    def convert(self, source: Source, sink: Sink) -> None:
        columns = self._read(source.path, sink)
        tasks = {}
        for name in self._labels(columns, source.path):
            columns[name], tasks[name] = self._task(sink, name, columns[name], source.path)
        sink.table(columns)
        for name, task in tasks.items():
            score = name == "label" and task["kind"] == "score" and "sentiment" not in tasks
            sink.task("sentiment" if score else name, column=name, **task)
        sink.stream("text.transcript", modality="text", kind="strings", column="text")
        sink.protocol("standard", column="mode", streams=["text.transcript"])

    def _read(self, path: Path, sink: Sink) -> Columns:
        """All files, one after the other, with video_id, clip_id, text and mode."""
        columns: Columns = {}
        rows = 0
        for mode, file in _files(path).items():
            sink.source(file)
            table = self._named(_table(file, sink), mode, file)
            count = len(table["video_id"])
            for name in [*columns, *table]:
                cells = columns.setdefault(name, [""] * rows)
                cells += table.get(name, [""] * count) if len(cells) == rows else []
            rows += count
        return columns

    def _named(self, table: Columns, mode: str, path: Path) -> Columns:
        """The columns under the names that a data set has for them."""
        if set(_MELD) <= table.keys():
            table = _meld(table, mode or "meld")
        columns = {name.lower(): cells for name, cells in table.items()}
        video, clip = self.config.video.lower(), self.config.clip.lower()
        video, clip = video or "video_id", clip or "clip_id"
        if video in columns:
            columns["video_id"] = columns[video]
        if clip in columns:
            columns["clip_id"] = columns[clip]
        if "video_id" not in columns and "id" in columns:
            columns["video_id"] = columns["id"]
        if "video_id" in columns and "clip_id" not in columns:
            columns["clip_id"] = ["0"] * len(columns["video_id"])
        text = self.config.text.lower() or next((n for n in _TEXTS if n in columns), "text")
        split = next((name for name in _SPLITS if name in columns), "mode")
        if split in columns and not mode:
            columns["mode"] = [MODES.get(cell.strip().lower(), cell) for cell in columns[split]]
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

    def _labels(self, columns: Columns, path: Path) -> list[str]:
        label_names = [
            name.strip().lower() for name in self.config.labels.split(",") if name.strip()
        ]
        if absent := [name for name in label_names if name not in columns]:
            raise DataError(f"{path} has no column {absent[0]!r}; it has {', '.join(columns)}")
        return label_names or [name for name in _LABELS if name in columns]

    def _task(
        self, sink: Sink, name: str, cells: Sequence[str], path: Path
    ) -> tuple[list[str], dict[str, object]]:
        """The column as it is written, and its task."""
        filled = [cell for cell in cells if cell.strip()]
        try:
            numbers = np.array([float(cell) if cell.strip() else np.nan for cell in cells])
        except ValueError:
            words = sorted({cell.strip().lower() for cell in filled})
            if len(words) > _MOST_CLASSES:
                raise DataError(
                    f"{path}: column {name} has {len(words)} words, and is no "
                    "column of labels; name those with --form table --set labels=COLUMN"
                ) from None
            sink.note(f"{name}: {len(words)} classes ({', '.join(words)})")
            return [cell.strip().lower() for cell in cells], {"kind": "class", "words": words}
        if not filled:
            raise DataError(f"{path}: column {name} is empty; leave it out, or fill it")
        task = label_task(sink, numbers, self.config)
        return label_cells(sink, numbers, task), task


def _meld(table: Columns, mode: str) -> Columns:
    """MELD counts dialogues anew in each split: a video is a split's dialogue."""
    table_by_name = dict(table)
    table_by_name["video_id"] = [
        f"{mode}_dia{number}" for number in table_by_name.pop("Dialogue_ID")
    ]
    table_by_name["clip_id"] = [f"utt{number}" for number in table_by_name.pop("Utterance_ID")]
    return table_by_name


def _files(path: Path) -> dict[str, Path]:
    """``mode -> file``; ``""`` where one file has all splits, or its name does not tell one."""
    if path.is_file():
        return (
            {_mode(path) if path.stem.endswith("_sent_emo") else "": path}
            if path.suffix in _SUFFIXES
            else {}
        )
    if not path.is_dir():
        return {}
    files = {
        _mode(file): file
        for file in sorted(path.iterdir())
        if file.suffix in _SUFFIXES and not file.name.startswith(".")
    }
    files.pop("", None)
    return files if files.keys() == {"train", "valid", "test"} else {}


def _mode(path: Path) -> str:
    return MODES.get(path.stem.lower().partition("_")[0], "")


def _header(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return list(_parquet(path))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file, delimiter=_delimiter(path)), [])
    except (OSError, ValueError, csv.Error):
        return []


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","


def _table(path: Path, sink: Sink) -> Columns:
    if path.suffix == ".parquet":
        return _parquet(path)
    if path.suffix == ".csv":
        return {name: list(cells) for name, cells in sink.columns(path).items()}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {name: [row[name] or "" for row in rows] for name in (rows[0] if rows else ())}


def _parquet(path: Path) -> Columns:
    """Columns of numbers, texts and truth values; others (lists, bytes) are left out."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            f"{path.name} is a parquet file, and pyarrow is not installed; "
            "pip install 'merbench-datasets[parquet]', or give a csv"
        ) from None
    try:
        table = parquet.read_table(path)
    except Exception as error:
        line = f"{error}".splitlines()[0][:100] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read ({line}); copy it again") from None
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        cells = column.to_pylist()
        if all(cell is None or isinstance(cell, str | int | float | bool) for cell in cells):
            columns[name] = ["" if cell is None else str(cell) for cell in cells]
    return columns
