"""The form ``tailor-pt``: ``train_valid_test.pt`` of TAILOR, CARAT and HHMPN, MOSEI's emotions with
aligned GloVe, FACET and COVAREP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from merbench.api import Array, DataError, Modality, Sink, Source
from merbench_datasets.common_tasks_and_streams import write_streams
from merbench_datasets.form_settings import Plain
from merbench_datasets.pickle_splits import lacks, note_unread, three_splits
from merbench_datasets.pickle_values import first_step, last_step

_SOURCES: dict[str, Modality] = {"src-text": "text", "src-audio": "audio", "src-visual": "video"}
_MARKS = ("<blank>", "<pad>", "<unk>", "<s>", "</s>")


class TailorPt(Plain):
    """Splits with src-text, src-visual, src-audio (one [L, D] a row) and tgt, a list of label
    numbers a row, which ``dict['tgt']`` names.

    The names and their order are read from ``dict['tgt']``. The file holds no ids: rows are called
    by split and position, each a video of its own, so nothing can be joined to it. Steps that are
    zero in all three modalities, in front and behind, are not kept.
    """

    looks_for = (
        "a torch file of train, valid and test with src-text, src-audio, src-visual and tgt, "
        "and a dict of label names"
    )

    def recognise(self, source: Source) -> str:
        if reason := lacks(source, "tgt"):
            return reason
        return (
            "" if isinstance(source.pickle.get("dict"), dict) else "it has no dict of label names"
        )

    def convert(self, source: Source, sink: Sink) -> None:
        splits = three_splits(source, dict)
        sink.source(source.path)
        note_unread(sink, source, ("tgt", *_SOURCES), beside=("dict",))
        number = _labels(source)
        names = [name for name, _ in sorted(number.items(), key=lambda item: item[1])]
        sink.note(f"labels in the order of its dict: {', '.join(names)}")
        sink.note(
            "it holds no ids, so its rows are called by split and position, "
            "and cannot be joined to other sources"
        )
        columns: dict[str, list[str]] = {
            name: [] for name in ("video_id", "clip_id", "mode", *names)
        }
        rows: list[tuple[dict[str, Any], int]] = []
        for mode, split in splits.items():
            for at, target in enumerate(
                split["tgt"] if isinstance(split["tgt"], list | tuple) else []
            ):
                present = _present(target, number, f"{source.path}, split {mode}, row {at}")
                for key, cell in (
                    ("video_id", f"{mode}{at:05d}"),
                    ("clip_id", "0"),
                    ("mode", mode),
                ):
                    columns[key].append(cell)
                for name in names:
                    columns[name].append(str(int(number[name] in present)))
                rows.append((split, at))
        sink.table(columns)
        sink.task("emotions", columns=names, kind="multilabel", words=names)
        streams: dict[str, Any] = {}
        for field, modality in _SOURCES.items():
            width = {_row(split, field, at, source).shape[1] for split, at in rows[:1]}
            streams[f"{modality}.tailor"] = (
                modality,
                width.pop(),
                _reader(rows, field, source),
                f"TAILOR's file, {field}",
            )
        write_streams(
            sink, [f"{video}_0" for video in columns["video_id"]], streams, transcripts=False
        )


def _labels(source: Source) -> dict[str, int]:
    """Label name -> its number, without the marks of a sequence."""
    number_of_word = source.pickle["dict"].get("tgt")
    if not isinstance(number_of_word, dict) or not all(
        isinstance(k, str) and type(v) is int for k, v in number_of_word.items()
    ):
        raise DataError(f"{source.path}: dict['tgt'] does not name the labels; give the whole file")
    number_of_label: dict[str, int] = {}
    for written, at in number_of_word.items():
        if at <= 3 or written in _MARKS:
            continue
        name = written.strip().lower()
        if name in number_of_label:
            raise DataError(
                f"{source.path}: dict['tgt'] has two labels called {name!r}, which differ by case "
                "or spaces alone; rename one"
            )
        number_of_label[name] = at
    if not number_of_label or len(set(number_of_label.values())) != len(number_of_label):
        raise DataError(
            f"{source.path}: dict['tgt'] names no label, or two with one number; "
            "give the whole file"
        )
    return number_of_label


def _present(target: Any, number: dict[str, int], name: str) -> set[int]:
    """The label numbers of a row ``[2, ..., 3]``: 0 blank, 1 unknown, 2 begin, 3 end."""
    numbers = target.read().tolist() if isinstance(target, Array) else target
    if not isinstance(numbers, list | tuple) or not all(type(n) is int for n in numbers):
        raise DataError(f"{name}: tgt is no list of whole numbers; fix the source")
    present = {n for n in numbers if n > 3}
    if strange := present - set(number.values()):
        raise DataError(
            f"{name}: tgt holds {min(strange)}, which dict['tgt'] does not name; fix the source"
        )
    return present


def _row(split: dict[str, Any], field: str, at: int, source: Source) -> np.ndarray:
    try:
        steps = split[field][at]
        steps = np.asarray(steps.read() if isinstance(steps, Array) else steps, dtype=np.float32)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"{source.path}: {field} has no row {at} of numbers ({error}); fix the source"
        ) from None
    if steps.ndim != 2:
        raise DataError(
            f"{source.path}: row {at} of {field} has shape {steps.shape} and not [steps, width]; "
            "fix the source"
        )
    return steps


def _reader(
    rows: list[tuple[dict[str, Any], int]], field: str, source: Source
) -> Callable[[int], np.ndarray | None]:
    def read(at: int) -> np.ndarray | None:
        split, row = rows[at]
        together = {name: _row(split, name, row, source) for name in _SOURCES}
        if not last_step(together[field]):
            return None
        return together[field][
            min(map(first_step, together.values())) : max(map(last_step, together.values()))
        ]

    return read
