"""What a finished run is applied to: a feature folder (with or without labels), a .csv of
transcripts, clips, or sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merbench.api.did_you_mean import did_you_mean
from merbench.api.errors import DataError, RequestError
from merbench.api.material.corpus import Stream
from merbench.api.material.types import Modality
from merbench.data.folder.label_table import Table, read_table
from merbench.data.folder.read import FILE
from merbench.data.folder.streams import TableFiles, strings
from merbench.data.folder.toml_section import Section, read_toml
from merbench.data.words import as_words

TEXT = "text.transcript"
TABLES = (".csv", ".tsv")
"""Anything else is a clip."""


@dataclass(frozen=True)
class Inputs:
    """N utterances without targets: ``ids`` [N], ``texts`` [N] (empty where unknown), ``streams``
    by name.
    """

    ids: list[str]
    texts: list[str]
    streams: Mapping[str, Stream]

    def __len__(self) -> int:
        return len(self.ids)


def read_inputs(paths: Sequence[Path], sentences: Sequence[str]) -> Inputs:
    """One feature folder, one table with a column ``text``, or any number of clips; or sentences.
    RequestError for anything else.
    """
    if bool(paths) == bool(sentences):
        raise RequestError(
            "give a feature folder, a .csv with a column text, or clips; "
            "or sentences with --text, and not both"
        )
    if sentences:
        return _texts([f"text {i + 1}" for i in range(len(sentences))], sentences)
    if missing := [path for path in paths if not path.exists()]:
        raise RequestError(
            f"{missing[0]} does not exist; "
            "give a feature folder, a .csv with a column text, or clips"
        )
    if any(path.is_dir() or path.suffix.lower() in TABLES for path in paths):
        if len(paths) > 1:
            raise RequestError(
                f"{paths[0]} and {len(paths) - 1} more: "
                "give one folder or one .csv at a time, or clips alone"
            )
        return _folder(paths[0]) if paths[0].is_dir() else _csv(paths[0])
    names = strings([str(path) for path in paths])
    clips = {f"{m}.clip": Stream.of_rows(f"{m}.clip", m, "clip", names) for m in ("audio", "video")}
    ids = [path.name for path in paths]
    return Inputs(
        ids if len(set(ids)) == len(ids) else [str(path) for path in paths],
        [""] * len(paths),
        clips,
    )


def _texts(ids: list[str], texts: Sequence[str]) -> Inputs:
    cells = list(texts)
    if not any(text.strip() for text in cells):
        raise DataError("every text is empty; give at least one with a word in it")
    for name, text in zip(ids, cells, strict=True):
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            raise DataError(f"{name} holds bytes that are no character ({text!r:.60}); use UTF-8")
    has_text = np.array([int(bool(text.strip())) for text in cells])
    stream = Stream(TEXT, "text", "strings", strings(cells), np.arange(len(cells)), has_text)
    return Inputs(ids, cells, {TEXT: stream})


def _csv(path: Path) -> Inputs:
    table = read_table(path)
    if "text" not in table.cells:
        advice = did_you_mean("text", table.cells)
        raise DataError(
            f"{path} has no column 'text'; {advice} (call the column of the texts text)"
        )
    return _texts(_ids(table), table.column("text"))


def _ids(table: Table) -> list[str]:
    """Those of the file, where each row has one of its own; else its lines."""
    if {"video_id", "clip_id"} <= table.cells.keys():
        return table.ids
    ids = table.cells.get("id", [])
    if ids and all(ids) and len(set(ids)) == len(ids):
        return ids
    return [f"line {line}" for line in table.lines]


def _folder(path: Path) -> Inputs:
    """Its streams; tasks and protocols are not read, and need not be there."""
    top = Section(path / FILE, "", read_toml(path / FILE))
    files = TableFiles(path, read_table(top.file("labels", "label.csv")))
    streams = {name: files.stream(name, section) for name, section in top.tables("streams")}
    table = files.table
    return Inputs(table.ids, table.cells.get("text", [""] * len(table)), streams)


def matching(
    inputs: Inputs, to_read: Mapping[Modality, Stream]
) -> tuple[dict[Modality, Stream], list[Modality]]:
    """``(streams, missing)``: for each modality that a run reads, the stream of that name or else
    one of its kind and width.

    A modality that the inputs lack is missing in every row. RequestError where all are.
    """
    matched: dict[Modality, Stream] = {}
    for m, stream in to_read.items():
        candidates = sorted(
            (s for s in inputs.streams.values() if s.modality == m),
            key=lambda s: s.name != stream.name,
        )
        as_read = [
            as_words(s) if stream.kind == "words" and s.kind == "strings" else s for s in candidates
        ]
        fits = [s for s in as_read if (s.kind, s.spec.width) == (stream.kind, stream.spec.width)]
        if fits:
            matched[m] = fits[0]
    if not matched:
        reads = ", ".join(_say(s) for s in to_read.values()) or "nothing"
        available = ", ".join(_say(s) for s in inputs.streams.values())
        raise RequestError(
            f"the run reads {reads}, and the inputs hold {available}; "
            "give inputs that have one of these"
        )
    missing = [m for m in to_read if m not in matched]
    return {
        m: matched[m] if m in matched else absent(stream, len(inputs))
        for m, stream in to_read.items()
    }, missing


def absent(stream: Stream, n: int) -> Stream:
    """A stream like this one that n rows lack."""
    none = np.zeros(n, dtype=np.int64)
    values = strings([""] * n) if stream.kind in ("strings", "clip") else stream.values[:1]
    return Stream(stream.name, stream.modality, stream.kind, values, none, none, stream.vocab)


def _say(stream: Stream) -> str:
    width = f" of width {stream.spec.width}" if stream.spec.width else ""
    return f"{stream.modality} {stream.kind}{width} ({stream.name})"
