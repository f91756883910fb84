"""A track's folder in ``leaderboards/``: records and predictions by row id, and ``scores.json`` with all that was computed from labels.

Labels and transcripts are never in it. ``read`` needs none of them, so whatever is drawn from a folder can be drawn again without data.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from merbench.api.errors import DataError
from merbench.report.entries import Board, Entry, collect
from merbench.report.packed import pack, unpack
from merbench.report.scores import BoardScores
from merbench.report.source import Source
from merbench.results.files import write_atomic
from merbench.results.record import Record, Track
from merbench.results.store import Predictions

EXTRAS = ("generalise", "robust")
"""What ``merbench generalise --json`` and ``merbench robust --json`` print may lie beside the records and is drawn."""


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")


def folder_names(tracks: Sequence[Track]) -> list[str]:
    """``mosi-sentiment-standard``; tracks that differ in something else are told apart by their streams, or else by a number."""
    found: list[str] = []
    for track in tracks:
        short = slug(f"{track.dataset}-{track.task}-{track.protocol}")
        long = slug(f"{short}-{'-'.join(s.partition('.')[2] or s for s in track.streams)}")
        name = short if short not in found else long
        found.append(name if name not in found else f"{name}-{sum(f.startswith(name) for f in found) + 1}")
    return found


@dataclass(frozen=True)
class Folder:
    """What a folder holds. ``ids``: fold (empty = none) -> the ids of its test rows. ``files``: run id -> the file of its record."""

    path: Path
    records: tuple[Record, ...]
    ids: Mapping[str, Sequence[str]]
    predicted: Mapping[str, np.ndarray]
    files: Mapping[str, Path]
    scores: BoardScores | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)

    @property
    def board(self) -> Board:
        return self.by(self.scores.floors if self.scores else ())

    def by(self, floors: Collection[str]) -> Board:
        """With these models as floors."""
        boards = collect(self.records, floors)
        if len(boards) != 1:
            raise DataError(f"{self.path} holds records of {len(boards)} tracks, where one folder is one track")
        return boards[0]


def write_runs(path: Path, entries: Sequence[Entry], source: Source) -> None:
    """Records and predictions of some rows, and the ids of the test rows."""
    ids: dict[str, list[str]] = {}
    for entry in entries:
        tensors = {}
        for record in entry.done:
            held = source.predictions(record.run_id)
            known = ids.setdefault(_fold(record), list(held.ids))
            if known != list(held.ids):
                raise DataError(f"run {record.run_id} has other test rows than the runs before it on the track {record.track.title}")
            small = held.prediction.astype(np.float32)
            tensors[record.run_id] = small if np.array_equal(small, held.prediction) else held.prediction
        write_atomic(path / "records" / f"{slug(entry.name)}.json", pack(entry.records))
        write_atomic(path / "predictions" / f"{slug(entry.name)}.safetensors", save(dict(sorted(tensors.items()))))
    write_atomic(path / "rows.json", json.dumps(dict(sorted(ids.items())), indent=0).encode())


def write(path: Path, board: Board, scores: BoardScores, source: Source, extras: Mapping[str, Any]) -> None:
    """The whole folder anew; what lay there before is gone."""
    shutil.rmtree(path, ignore_errors=True)
    write_runs(path, board.entries, source)
    write_scores(path, scores)
    for name, told in extras.items():
        write_atomic(path / f"{name}.json", json.dumps(told, indent=1, ensure_ascii=False).encode())


def write_scores(path: Path, scores: BoardScores) -> None:
    write_atomic(path / "scores.json", scores.model_dump_json(indent=1).encode())


def read(path: Path) -> Folder:
    """DataError, naming the file, for what cannot be read."""
    records: list[Record] = []
    files: dict[str, Path] = {}
    predicted: dict[str, np.ndarray] = {}
    at = path
    try:
        for at in sorted((path / "records").glob("*.json")):
            for record in unpack(at.read_bytes()):
                records.append(record)
                files[record.run_id] = at
        for at in sorted((path / "predictions").glob("*.safetensors")):
            predicted |= {name: array.astype(float) for name, array in load(at.read_bytes()).items()}
        at = path / "rows.json"
        ids = json.loads(at.read_bytes())
        at = path / "scores.json"
        scores = BoardScores.model_validate_json(at.read_bytes()) if at.is_file() else None
        extras = {}
        for name in EXTRAS:
            at = path / f"{name}.json"
            if at.is_file():
                extras[name] = json.loads(at.read_bytes())
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{at} cannot be read: {reason}") from error
    return Folder(path, tuple(sorted(records, key=lambda r: r.run_id)), ids, predicted, files, scores, extras)


def tracks(root: Path) -> list[Path]:
    """The folders of tracks under ``root``. DataError where there is none."""
    found = sorted(p.parent for p in root.glob("*/rows.json"))
    if not found:
        raise DataError(f"{root} holds no boards (no folder with a rows.json); merbench leaderboard build --out {root} makes some")
    return found


@dataclass(frozen=True)
class Labelled:
    """A folder's runs with the user's labels beside them: a ``Source``. ``target`` and ``video`` by row id."""

    folder: Folder
    target: Mapping[str, Any]
    video: Mapping[str, str]

    def records(self) -> list[Record]:
        return list(self.folder.records)

    def predictions(self, run_id: str) -> Predictions:
        """KeyError for a run without predictions, or a row id that the data do not have."""
        record = next(r for r in self.folder.records if r.run_id == run_id)
        ids = list(self.folder.ids[_fold(record)])
        return Predictions(ids, [self.video[i] for i in ids], np.array([self.target[i] for i in ids]), self.folder.predicted[run_id])

    def content(self, run_id: str) -> str:
        return run_id


def _fold(record: Record) -> str:
    return "" if record.fold is None else str(record.fold)
