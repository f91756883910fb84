"""Tasks and streams that several forms write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from merbench.api import Modality, Sink

FIELDS: dict[str, Modality] = {"text": "text", "audio": "audio", "vision": "video"}
UNIMODAL = {
    "label_T": "sentiment_text",
    "label_A": "sentiment_audio",
    "label_V": "sentiment_video",
}
"""Column of labels given to one modality alone, as MMSA calls it -> task."""
EMOTIONS = ("happy", "sad", "anger", "surprise", "disgust", "fear")
"""The order of the SDK's label row, behind the sentiment."""


def write_tasks(sink: Sink, task: Mapping[str, Any], emotions: Sequence[str] = ()) -> None:
    """The task of the label column (``sentiment``, or ``label`` where it is of classes) and, where
    they are in the table, emotions: present where the mean is above 0.
    """
    sink.task("label" if task["kind"] == "class" else "sentiment", column="label", **task)
    if emotions:
        sink.task("emotions", columns=list(emotions), kind="multilabel", words=list(emotions))


def write_unimodal(
    sink: Sink, columns: Mapping[str, Sequence[str]], task: Mapping[str, Any]
) -> None:
    """A task of each column of labels that were given to one modality alone (CH-SIMS)."""
    for column, name in UNIMODAL.items():
        if task["kind"] == "score" and any(cell.strip() for cell in columns.get(column, ())):
            sink.task(name, column=column, **task)


def write_streams(
    sink: Sink,
    ids: Sequence[str],
    streams: Mapping[str, tuple[Modality, int, Callable[[int], Any], str]],
    transcripts: bool = True,
) -> list[str]:
    """Transcripts, the feature streams (name -> modality, width, read, note), and the standard
    protocol that offers them; returns their names.
    """
    if transcripts:
        sink.stream("text.transcript", modality="text", kind="strings", column="text")
    for name, (modality, width, read_row, note) in streams.items():
        sink.features(name, modality, width, ids, read_row, note=note)
    offered = ({"text": "text.transcript"} if transcripts else {}) | {
        modality: name for name, (modality, *_) in streams.items()
    }
    sink.protocol("standard", column="mode", streams=list(offered.values()))
    return list(offered.values())
