"""The form ``mmsa-pickle``: MMSA's ``aligned_50.pkl`` and ``unaligned_50.pkl``
(github.com/thuiar/MMSA).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api import Array, DataError, Sink, Source, are, count_of
from merbench_datasets.common_tasks_and_streams import (
    FIELDS,
    UNIMODAL,
    write_streams,
    write_tasks,
    write_unimodal,
)
from merbench_datasets.form_settings import Labelled
from merbench_datasets.label_scale import label_cells, label_task
from merbench_datasets.pickle_splits import (
    in_all_splits,
    lacks,
    note_unread,
    split_id,
    three_splits,
)
from merbench_datasets.pickle_values import block, last_step, one_number, texts

PUBLISHED = {
    "78e0f8b5ef8ff71558e7307848fc1fa929ecb078203f565ab22b9daab2e02524": "MOSI, unaligned",
    "d3994fd25681f9c7ad6e9c6596a6fe9b4beb85ff7d478ba978b124139002e5f9": "MOSI, aligned",
    "ad8b23d50557045e7d47959ce6c5b955d8d983f2979c7d9b7b9226f6dd6fec1f": "MOSEI, unaligned",
    "45eccfb748a87c80ecab9bfac29582e7b1466bf6605ff29d3b338a75120bf791": "MOSEI, aligned",
}
"""SHA-256 in MMSA's README -> file."""

READ = (
    *("id", "raw_text", "regression_labels", "annotations", "text_bert"),
    *("regression_labels_T", "regression_labels_A", "regression_labels_V"),
    *FIELDS,
    *(f"{field}_lengths" for field in FIELDS),
)
"""The fields that are taken over; ``text_bert`` gives the length of a text alone."""
MIXED = "train_mix"
"""CH-SIMS v2's split of labelled train rows, where its ``mask`` is 1, and unlabelled ones."""


class MmsaPickle(Labelled):
    """A dict of splits, each with id, raw_text, regression_labels and padded text, audio and
    vision.

    Padding is not kept. A row of text is as long as the attention mask in ``text_bert`` says; audio
    and vision as long as their lengths say, and without lengths, or where one is no number of the
    block's steps, up to the last step that is not all zero. In an aligned file (no lengths, one
    number of steps) the three share the longest of their lengths, so that step k stays step k. A
    row that is all zero has no such modality.

    Of CH-SIMS v2's ``train_mix`` the rows without a label are taken over, for a protocol of their
    own, ``semi``: the standard one and these to train on.
    """

    looks_for = (
        "a pickle of train, valid and test with id, regression_labels and text, audio or vision"
    )

    def recognise(self, source: Source) -> str:
        return lacks(source, "id", "regression_labels")

    def convert(self, source: Source, sink: Sink) -> None:
        splits = three_splits(source, dict)
        published_name = PUBLISHED.get(sink.source(source.path))
        sink.note(
            f"this is the file that MMSA publishes ({published_name})"
            if published_name
            else "its SHA-256 is none of the four that MMSA publishes"
        )
        parts = _parts(source, splits)
        note_unread(sink, source, (*READ, "mask"), (MIXED,))
        fields = in_all_splits(sink, FIELDS, [part.blocks for part in parts])
        if not fields:
            raise DataError(
                f"{source.path} has no text, audio or vision in all of its splits; "
                "give MMSA's file of features"
            )
        for field in fields:
            if misfits := sum(part.misfits.get(field, 0) for part in parts):
                sink.note(
                    f"{field}_lengths of {count_of(misfits, 'row')} {are(misfits)} no number of "
                    "the steps that are there: read up to the last step that is not all zero"
                )
        sink.expect(sum(4 * int(np.prod(part.blocks[f].shape)) for part in parts for f in fields))
        columns = _columns(parts)
        task = self._add_labels(sink, parts, columns)
        semi_supervised = _part_semi_supervised(columns)
        if semi_supervised:
            n_mixed = columns["mode"].count("unused")
            sink.note(f"{count_of(n_mixed, 'row')} without a label: for training in protocol semi")
        sink.table(columns)
        write_tasks(sink, task)
        write_unimodal(sink, columns, task)
        ids = ["_".join(split_id(name)) for part in parts for name in part.ids]
        streams = _streams(source.path, parts, fields)
        offered = write_streams(sink, ids, streams, transcripts=any(columns["text"]))
        if semi_supervised:
            sink.protocol("semi", column="mode_semi", streams=offered)

    def _add_labels(
        self, sink: Sink, parts: Sequence[_Split], columns: dict[str, list[str]]
    ) -> dict[str, Any]:
        """Columns of labels, those given to one modality alone too, on one scale; returns the task
        of them.
        """
        labels = {
            column: np.concatenate([part.labels_of(column) for part in parts])
            for column in ("label", *UNIMODAL)
        }
        task = label_task(sink, np.concatenate(list(labels.values())), self.config)
        for column, values in labels.items():
            if column == "label" or np.isfinite(values).any():
                columns[column] = label_cells(sink, values, task)
        return task


def _parts(source: Source, splits: Mapping[str, dict[str, Any]]) -> list[_Split]:
    """The three splits and, where there is one, what of ``train_mix`` is in none of them."""
    parts = [_Split(f"{source.path}, split {mode}", mode, split) for mode, split in splits.items()]
    mixed = source.pickle.get(MIXED)
    if isinstance(mixed, dict):
        labelled = {name for part in parts for name in part.ids}
        parts.append(_unlabelled(f"{source.path}, split {MIXED}", mixed, labelled))
    return parts


def _columns(parts: Sequence[_Split]) -> dict[str, list[str]]:
    """Of all splits; a cell is empty where a split lacks the column."""
    columns_of_parts = [part.columns() for part in parts]
    names = dict.fromkeys(name for columns in columns_of_parts for name in columns)
    return {
        name: [
            cell
            for part, columns in zip(parts, columns_of_parts, strict=True)
            for cell in columns.get(name, [""] * len(part.rows))
        ]
        for name in names
    }


def _part_semi_supervised(columns: dict[str, list[str]]) -> bool:
    """Unlabelled rows are used in a column of splits of their own; True where there are any."""
    modes = columns["mode"]
    if MIXED not in modes:
        return False
    columns["mode"] = ["unused" if mode == MIXED else mode for mode in modes]
    columns["mode_semi"] = ["train" if mode == MIXED else mode for mode in modes]
    return True


def _streams(path: Path, parts: Sequence[_Split], fields: Sequence[str]) -> dict[str, Any]:
    """As ``write_streams`` takes them. DataError where splits differ in width."""
    kind = "aligned" if all(part.aligned for part in parts) else "unaligned"
    rows = [(part, row) for part in parts for row in part.rows]
    streams = {}
    for field in fields:
        widths = {part.blocks[field].shape[2] for part in parts}
        if len(widths) != 1:
            listed = ", ".join(map(str, sorted(widths)))
            raise DataError(f"{path}: {field} is of several widths ({listed}); fix the source")
        note = f"MMSA's {kind} pickle, {field}"
        read = partial(_read, rows, field)
        streams[f"{FIELDS[field]}.{kind}"] = FIELDS[field], widths.pop(), read, note
    return streams


def _read(rows: list[tuple[_Split, int]], field: str, row_of_table: int) -> np.ndarray | None:
    part, row = rows[row_of_table]
    return part.row(field, row)


def _unlabelled(name: str, fields: dict[str, Any], labelled: set[str]) -> _Split:
    """The rows of ``train_mix`` that have no label and stand in no other split."""
    for field in ("id", "mask"):
        if field not in fields:
            raise DataError(f"{name} has no {field}; give CH-SIMS v2's own file")
    split = _Split(name, MIXED, fields)
    known_N = one_number(fields, "mask", len(split.names), name) == 1
    split.rows = [
        row for row, name in enumerate(split.names) if not known_N[row] and name not in labelled
    ]
    return split


class _Split:
    """One split; ``origin`` names it in errors. ``rows``: which of its rows are taken over.
    ``given``: field -> length of each row, -1 where it is none; ``misfits``: how many are none.
    """

    def __init__(self, origin: str, mode: str, fields: dict[str, Any]) -> None:
        self.origin, self.mode, self.fields = origin, mode, fields
        self.names = texts(fields["id"], f"{origin}: id")
        n = len(self.names)
        self.rows = list(range(n))
        self.blocks: dict[str, Array] = {
            f: block(fields[f], n, f"{origin}: {f}") for f in FIELDS if f in fields
        }
        self.given: dict[str, np.ndarray] = {}
        self.misfits: dict[str, int] = {}
        for field in FIELDS:
            if f"{field}_lengths" in fields:
                self._take_lengths(field, one_number(fields, f"{field}_lengths", n, origin))
        bert = fields.get("text_bert")
        if (
            "text" in self.blocks
            and isinstance(bert, Array)
            and bert.shape == (n, 3, self.blocks["text"].shape[1])
        ):
            self.given.setdefault("text", (bert.read()[:, 1] != 0).sum(axis=1))
        self.aligned = (
            not {"audio", "vision"} & self.given.keys()
            and len({b.shape[1] for b in self.blocks.values()}) == 1
        )

    def _take_lengths(self, field: str, length_N: np.ndarray) -> None:
        steps = self.blocks[field].shape[1] if field in self.blocks else np.inf
        fits_N = (length_N >= 0) & (length_N <= steps)
        self.given[field] = np.where(fits_N, length_N, -1).astype(np.int64)
        self.misfits[field] = int((~fits_N).sum())

    @property
    def ids(self) -> list[str]:
        return [self.names[row] for row in self.rows]

    def labels_of(self, column: str) -> np.ndarray:
        """[rows] of ``label``, or of one modality alone; NaN where the split has none."""
        field = column.replace("label", "regression_labels")
        if field not in self.fields or self.mode == MIXED:
            return np.full(len(self.rows), np.nan)
        return one_number(self.fields, field, len(self.names), self.origin)

    def columns(self) -> dict[str, list[str]]:
        n, fields = len(self.names), self.fields
        video, clip = zip(*map(split_id, self.names), strict=True) if n else ((), ())
        raw_texts = (
            texts(fields["raw_text"], f"{self.origin}: raw_text")
            if "raw_text" in fields
            else [""] * n
        )
        columns = {"video_id": [*video], "clip_id": [*clip], "text": raw_texts}
        if "annotations" in fields:
            columns["annotation"] = texts(fields["annotations"], f"{self.origin}: annotations")
        if misfits := [
            {"text": "raw_text", "annotation": "annotations"}[k]
            for k, column in columns.items()
            if len(column) != n
        ]:
            raise DataError(
                f"{self.origin}: {misfits[0]} has another number of rows than id; fix the source"
            )
        columns["mode"] = [self.mode] * n
        return {name: [cells[row] for row in self.rows] for name, cells in columns.items()}

    def row(self, field: str, row: int) -> np.ndarray | None:
        """The real steps."""
        steps = np.asarray(self.blocks[field][row])
        if not last_step(steps):
            return None
        if self.aligned:
            return steps[: max(self._length(f, row) for f in self.blocks)]
        return steps[: self._length(field, row, steps)]

    def _length(self, field: str, row: int, steps: np.ndarray | None = None) -> int:
        if field in self.given and self.given[field][row] >= 0:
            return int(self.given[field][row])
        return last_step(np.asarray(self.blocks[field][row]) if steps is None else steps)
