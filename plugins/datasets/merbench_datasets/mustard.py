"""The form ``mustard``: MUStARD's ``sarcasm_data.json`` (github.com/soujanyaporia/MUStARD)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from merbench.api import Array, DataError, Sink, Source, unpickle
from merbench_datasets.form_settings import Plain
from merbench_datasets.unread_content import note_unread_names

_KEYS = ("utterance", "speaker", "context", "sarcasm")
_FILE = "sarcasm_data.json"
_FOLDS = "split_indices.p"
_TESTED_SHOW = "FRIENDS"
_LARGE_SHOW = "BBT"
_LONG = 4
"""Words from which an utterance that two rows share makes them one scene: "What?" does not."""
MOST = 2**27
"""Bytes from which the file is refused; the published one has 0.4 million."""


class Mustard(Plain):
    """Id -> utterance, speaker, context (what was said before), context_speakers, show, sarcasm.

    Rows that share an utterance are of one scene, and a scene is a video: contexts overlap, and the
    published folds divide rows. Protocols: ``folds`` (of whole scenes), ``published-folds`` (where
    ``split_indices.p`` lies beside the file) and ``speaker-independent`` (tests on Friends, as the
    published code does).
    """

    looks_for = f"a json of utterances with speaker, context and sarcasm, or a folder of {_FILE}"

    def recognise(self, source: Source) -> str:
        path = _file(source)
        if path.suffix != ".json" or not path.is_file():
            return f"it has no {_FILE}" if source.path.is_dir() else "it is no json file"
        if path.stat().st_size > MOST:
            return f"it is larger than {MOST:,} bytes"
        rows = _read(path)
        if not rows:
            return "it is no json of rows by id"
        lacks = [key for key in _KEYS if key not in next(iter(rows.values()))]
        return f"its rows have no {lacks[0]}" if lacks else ""

    def convert(self, source: Source, sink: Sink) -> None:
        path = _file(source)
        sink.source(path)
        rows = _read(path, partial(_once, path))
        for name, row in rows.items():
            _check(row, f"{path}: row {name!r}")
        fields = {field for row in rows.values() for field in row}
        note_unread_names(sink, path.name, fields, {*_KEYS, "show"})
        columns = {
            "video_id": _scenes(rows),
            "clip_id": list(rows),
            "text": [row["utterance"] for row in rows.values()],
            "context": [" ".join(row["context"]) for row in rows.values()],
            "speaker": [str(row["speaker"]) for row in rows.values()],
            "show": [str(row.get("show", "")) for row in rows.values()],
            "sarcasm": ["sarcastic" if row["sarcasm"] else "sincere" for row in rows.values()],
        }
        protocols: dict[str, dict[str, Any]] = {"folds": {"folds": 5}}
        published = path.with_name(_FOLDS)
        if published.is_file():
            sink.source(published)
            columns["fold"] = _folds(published, len(rows))
            protocols["published-folds"] = {"column": "fold"}
        if {_TESTED_SHOW, _LARGE_SHOW} < set(columns["show"]):
            modes = {_TESTED_SHOW: "test", _LARGE_SHOW: "train"}
            columns["mode"] = [modes.get(show, "valid") for show in columns["show"]]
            protocols["speaker-independent"] = {"column": "mode"}
            sink.note(
                f"speaker-independent trains on {_LARGE_SHOW}, validates on the smaller shows and "
                f"tests on {_TESTED_SHOW}"
            )
        sink.table(columns)
        sink.task("sarcasm", column="sarcasm", kind="class", words=["sincere", "sarcastic"])
        sink.stream("text.transcript", modality="text", kind="strings", column="text")
        if any(columns["context"]):
            sink.stream("text.context", modality="text", kind="strings", column="context")
        for name, spec in protocols.items():
            sink.protocol(name, **spec, streams=["text.transcript"])


def _file(source: Source) -> Path:
    return source.path / _FILE if source.path.is_dir() else source.path


def _read(
    path: Path, mapping: Callable[[list[tuple[str, Any]]], dict[str, Any]] = dict
) -> dict[str, dict[str, Any]]:
    """Id -> row; empty where the file is not that. ``mapping`` makes an object of its pairs."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=mapping)
    except (OSError, ValueError, RecursionError):
        return {}
    is_table = isinstance(content, dict) and all(isinstance(row, dict) for row in content.values())
    return content if is_table else {}


def _once(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """DataError where a name stands twice: of two rows Python's reader keeps the last."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise DataError(f"{path} has {name!r} twice; keep one, or give it a name of its own")
        values[name] = value
    return values


def _check(row: Mapping[str, Any], name: str) -> None:
    lacks = [key for key in _KEYS if key not in row]
    if lacks:
        raise DataError(f"{name} has no {lacks[0]}; fix the source")
    if not isinstance(row["utterance"], str) or not isinstance(row["sarcasm"], bool | int):
        raise DataError(f"{name}: utterance is a text and sarcasm true or false; fix the source")
    context = row["context"]
    if not isinstance(context, list) or not all(isinstance(text, str) for text in context):
        raise DataError(f"{name}: context is no list of texts; fix the source")


def _scenes(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One name a row: the first row with which it shares an utterance of several words."""
    parent = {name: name for name in rows}

    def first_of(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    said_in: dict[str, str] = {}
    for name, row in rows.items():
        for text in (row["utterance"], *row["context"]):
            words = text.lower().split()
            if len(words) < _LONG:
                continue
            first_name = said_in.setdefault(f"{row.get('show', '')} {' '.join(words)}", name)
            parent[first_of(name)] = first_of(first_name)
    return [f"scene-{first_of(name)}" for name in rows]


def _folds(path: Path, count: int) -> list[str]:
    """The number of the fold that tests each row, of pairs of train and test row numbers."""
    pairs = unpickle(path)
    cells = [""] * count
    for fold, pair in enumerate(pairs if isinstance(pairs, list) else ()):
        for row in _numbers(pair[1], path) if isinstance(pair, tuple | list) else ():
            if not 0 <= row < count or cells[row]:
                raise DataError(f"{path}: row {row} is tested twice, or is not there; fix it")
            cells[row] = str(fold)
    if not all(cells):
        raise DataError(f"{path} does not test each of the {count} rows once; give the right file")
    return cells


def _numbers(value: Any, path: Path) -> Sequence[int]:
    try:
        rows = value.read().tolist() if isinstance(value, Array) else value
        return [int(row) for row in rows]
    except (TypeError, ValueError):
        raise DataError(f"{path} holds no lists of row numbers; give the right file") from None
