"""The form ``mmsa-clips``: MMSA's ``label.csv`` beside ``Raw/<video_id>/<clip_id>.mp4``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from merbench.api import DataError, Sink, Source, number_of
from merbench_datasets.common_tasks_and_streams import UNIMODAL, write_tasks, write_unimodal
from merbench_datasets.form_settings import Labelled
from merbench_datasets.label_scale import label_cells, label_task


class MmsaClips(Labelled):
    """The clips stay where they are: the data set's folder links to ``Raw``. Rows without a clip
    are kept, and counted as missing.
    """

    looks_for = "a folder with a label.csv and clips in Raw/<video_id>/<clip_id>.mp4"

    def recognise(self, source: Source) -> str:
        if (source.path / "dataset.toml").exists():
            return "it is a feature folder"
        lacks = [name for name in ("label.csv", "Raw") if not (source.path / name).exists()]
        return f"it has no {lacks[0]}" if lacks else ""

    def convert(self, source: Source, sink: Sink) -> None:
        path = source.path / "label.csv"
        sink.source(path)
        columns = dict(sink.columns(path))
        if lacks := {"video_id", "clip_id", "label", "mode"} - columns.keys():
            raise DataError(
                f"{path} has no column {min(lacks)!r}; "
                "MMSA's label.csv has video_id, clip_id, text, label and mode"
            )
        raw = source.path / "Raw"
        present = [
            (raw / video / f"{clip}.mp4").is_file()
            for video, clip in zip(columns["video_id"], columns["clip_id"], strict=True)
        ]
        if not any(present):
            raise DataError(
                f"none of the {len(present)} clips that {path} names is in {raw}; "
                f"put them at {raw}/<video_id>/<clip_id>.mp4"
            )
        if missing := present.count(False):
            sink.note(f"{missing} of {len(present)} rows have no clip in {raw}")
        labels = [_numbers(columns[name]) for name in ("label", *UNIMODAL) if name in columns]
        task = label_task(sink, np.concatenate(labels), self.config)
        if task["kind"] == "class":
            columns["label"] = label_cells(sink, labels[0], task)
        sink.table(columns)
        write_tasks(sink, task)
        write_unimodal(sink, columns, task)
        root = sink.link(raw, "Raw")
        transcripts = any(cell.strip() for cell in columns.get("text", ()))
        if transcripts:
            sink.stream("text.transcript", modality="text", kind="strings", column="text")
        for modality in ("audio", "video"):
            sink.stream(
                f"{modality}.clip",
                modality=modality,
                kind="clip",
                pattern=f"{root}/{{video_id}}/{{clip_id}}.mp4",
            )
        sink.protocol(
            "standard",
            column="mode",
            streams=[*(["text.transcript"] if transcripts else []), "audio.clip", "video.clip"],
        )


def _numbers(column: Sequence[str]) -> np.ndarray:
    """NaN where a cell is no number: what is wrong with it is reported where the table is read."""
    values = np.full(len(column), np.nan)
    for row, cell in enumerate(column):
        with suppress(ValueError):
            values[row] = number_of(cell)
    return values
