"""The form ``mult-pickle``: the pickles of MulT and of MultiBench."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from merbench.api import Array, DataError, Sink, Source
from merbench_datasets.common_tasks_and_streams import FIELDS, write_streams, write_tasks
from merbench_datasets.form_settings import Numbered
from merbench_datasets.pickle_splits import (
    in_all_splits,
    lacks,
    note_unread,
    split_id,
    three_splits,
)
from merbench_datasets.pickle_values import (
    block,
    first_step,
    last_step,
    listed,
    numbers,
    texts,
)
from merbench_datasets.sdk_label_rows import read_label_rows


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
        fields = in_all_splits(sink, FIELDS, list(splits.values()))
        parts = [
            _split(f"{source.path}, split {mode}", mode, split, fields, self.config.first)
            for mode, split in splits.items()
        ]
        if not fields or {part.labels_NC.shape[1] for part in parts} not in ({1}, {7}):
            raise DataError(
                f"{source.path}: labels are [N, 1, 1] (sentiment) or [N, 1, 7] (and six emotions), "
                "with text, audio or vision"
            )
        sink.expect(sum(4 * int(np.prod(b.shape)) for part in parts for b in part.blocks.values()))
        names = [name for part in parts for name in part.names]
        labels_NC = np.concatenate([part.labels_NC for part in parts])
        labels = read_label_rows(sink, labels_NC, self.config)
        columns = {
            "video_id": [video for video, _ in names],
            "clip_id": [clip for _, clip in names],
            "mode": [part.mode for part in parts for _ in part.names],
        }
        sink.table(columns | labels.columns)
        write_tasks(sink, labels.task, labels.emotions)
        streams: dict[str, Any] = {}
        for field in fields:
            width, note = parts[0].blocks[field].shape[2], f"a pickle in MulT's form, {field}"
            streams[f"{FIELDS[field]}.mult"] = FIELDS[field], width, _reader(parts, field), note
        write_streams(sink, ["_".join(name) for name in names], streams, transcripts=False)


@dataclass(frozen=True)
class _Split:
    """``names``: video and clip of each row. ``labels_NC``: the sentiment, or it and six emotions.
    ``blocks``: field -> [N, L, D].
    """

    mode: str
    names: list[tuple[str, str]]
    labels_NC: np.ndarray
    blocks: dict[str, Array]


def _split(
    name: str, mode: str, content: Mapping[str, Any], fields: Sequence[str], first_clip: int
) -> _Split:
    """``name``: for errors. ``first_clip``: number of the clip that is called video[0]."""
    names = _ids(content["id"], f"{name}: id", first_clip)
    blocks = {f: block(content[f], len(names), f"{name}: {f}") for f in fields}
    labels_NC = numbers(content["labels"], len(names), f"{name}: labels")
    return _Split(mode, names, labels_NC, blocks)


def _reader(splits: Sequence[_Split], field: str) -> Callable[[int], np.ndarray | None]:
    """Row of the table -> its real steps; None where all of it is zero."""
    rows = [(split.blocks, row) for split in splits for row in range(len(split.names))]

    def read(row_of_table: int) -> np.ndarray | None:
        blocks, row = rows[row_of_table]
        steps = np.asarray(blocks[field][row])
        if not last_step(steps):
            return None
        aligned = len({b.shape[1] for b in blocks.values()}) == 1
        together = [np.asarray(b[row]) for b in blocks.values()] if aligned else [steps]
        return steps[min(map(first_step, together)) : max(map(last_step, together))]

    return read


def _ids(value: Any, origin: str, first_clip: int) -> list[tuple[str, str]]:
    """One name a row, or MulT's three: video, start and end of the segment, whose clip is then
    called by its start.
    """
    if isinstance(value, Array) and value.ndim == 2 and value.shape[1] == 3:
        rows = map(listed, listed(value)) if value.dtype.hasobject else value.read().tolist()
        return [(_text(video), _text(start)) for video, start, _ in rows]
    if isinstance(value, Array) and value.dtype.kind in "fiu":
        raise DataError(
            f"{origin} holds numbers and no names, so nothing can be joined to it; "
            "give a file with names"
        )
    return [split_id(name, first_clip) for name in texts(value, origin)]


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
