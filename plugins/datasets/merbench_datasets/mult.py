"""The form ``mult-pickle``: the pickles of MulT and of MultiBench."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from merbench.api import Array, DataError, Sink, Source
from merbench_datasets.form_settings import Numbered
from merbench_datasets.label_scale import cells, label_cells, label_task
from merbench_datasets.outputs import EMOTIONS, FIELDS, write_streams, write_tasks
from merbench_datasets.splits import lacks, note_unread, split_id, three_splits
from merbench_datasets.values import block, first_step, last_step, numbers, texts


class MultPickle(Numbered):
    """A dict of splits, each with vision, audio, text [N, L, D], labels [N, 1, 1] (or [N, 1, 7]:
    sentiment and six emotions) and id.

    Steps that are all zero in front (left padding) and behind are not kept. Where the three have
    one number of steps they are aligned: a step goes when it is all zero in every one of them. A
    row that is all zero has no such modality.
    """

    looks_for = "a pickle of train, valid and test with id, labels and text, audio or vision"

    def recognise(self, source: Source) -> str:
        return lacks(source, "id", "labels")

    def convert(self, source: Source, sink: Sink) -> None:
        splits = three_splits(source, dict)
        sink.source(source.path)
        note_unread(sink, source, ("id", "labels", *FIELDS))
        fields = [name for name in FIELDS if all(name in split for split in splits.values())]
        names, labels, modes, rows = (
            list[tuple[str, str]](),
            list[np.ndarray](),
            list[str](),
            list[tuple[dict[str, Array], int]](),
        )
        for mode, split in splits.items():
            name = f"{source.path}, split {mode}"
            ids = _ids(split["id"], f"{name}: id", self.config.first)
            blocks = {f: block(split[f], len(ids), f"{name}: {f}") for f in fields}
            names += ids
            labels.append(numbers(split["labels"], len(ids), f"{name}: labels"))
            modes += [mode] * len(ids)
            rows += [(blocks, row) for row in range(len(ids))]
        if (
            not fields
            or len({part.shape[1] for part in labels}) != 1
            or labels[0].shape[1] not in (1, 7)
        ):
            raise DataError(
                f"{source.path}: labels are [N, 1, 1] (sentiment) or [N, 1, 7] (and six emotions), "
                "with text, audio or vision"
            )
        table = np.concatenate(labels)
        sink.expect(
            sum(
                4 * int(np.prod(b.shape))
                for b in {id(b): b for blocks, _ in rows for b in blocks.values()}.values()
            )
        )
        columns = {
            "video_id": [v for v, _ in names],
            "clip_id": [c for _, c in names],
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
        streams: dict[str, Any] = {}
        for field in fields:
            width = rows[0][0][field].shape[2]
            streams[f"{FIELDS[field]}.mult"] = (
                FIELDS[field],
                width,
                _reader(rows, field),
                f"a pickle in MulT's form, {field}",
            )
        write_streams(sink, ["_".join(name) for name in names], streams, transcripts=False)


def _reader(
    rows: list[tuple[dict[str, Array], int]], field: str
) -> Callable[[int], np.ndarray | None]:
    def read(at: int) -> np.ndarray | None:
        blocks, row = rows[at]
        steps = np.asarray(blocks[field][row])
        if not last_step(steps):
            return None
        aligned = len({b.shape[1] for b in blocks.values()}) == 1
        together = [np.asarray(b[row]) for b in blocks.values()] if aligned else [steps]
        return steps[min(map(first_step, together)) : max(map(last_step, together))]

    return read


def _ids(value: Any, place: str, first: int) -> list[tuple[str, str]]:
    """One name a row, or MulT's three: video, start and end of the segment, whose clip is then
    called by its start.
    """
    if (
        isinstance(value, Array)
        and value.ndim == 2
        and value.shape[1] == 3
        and not value.dtype.hasobject
    ):
        return [(_text(video), _text(start)) for video, start, _ in value.read().tolist()]
    if isinstance(value, Array) and value.dtype.kind in "fiu":
        raise DataError(
            f"{place} holds numbers and no names, so nothing can be joined to it; "
            "give a file with names"
        )
    return [split_id(name, first) for name in texts(value, place)]


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
