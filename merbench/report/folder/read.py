"""A track's folder, read; errors name the file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError
from safetensors.numpy import load

from merbench.api.errors import DataError
from merbench.api.first_line import first_line
from merbench.report.folder.analysis_files import EXTRAS, checked
from merbench.report.folder.folder import Folder
from merbench.report.folder.packed import strict, unpack
from merbench.report.folder.written_files import FILE as LIST
from merbench.report.folder.written_files import written
from merbench.report.scores.board.board_scores import BoardScores, facts
from merbench.results.metrics import BUILT_IN
from merbench.results.records.reading import check_record
from merbench.results.records.record import Record
from merbench.results.records.sealed import read_file
from merbench.results.records.titles import titles
from merbench.results.store.corrections import Correction
from merbench.results.store.history import FOLDER as CORRECTIONS
from merbench.results.store.store import DAMAGE

T = TypeVar("T")


def read(path: Path, with_scores: bool = True) -> Folder:
    """DataError, naming the file, for what cannot be read. ``with_scores`` False: scores.json is
    left out, as where it is to be computed anew.
    """
    records, files = _records(path / "records")
    predicted = _predictions(path / "predictions", files)
    ids = _parsed(path / "rows.json", _row_ids)
    correction_files = sorted((path / CORRECTIONS).glob("*.json"))
    corrections = tuple(_parsed(file, _correction) for file in correction_files)
    scores = None
    if with_scores and os.path.lexists(path / "scores.json"):
        scores = _parsed(path / "scores.json", lambda content: _scores(content, records))
    extras = read_extras(path, EXTRAS)
    ordered = tuple(sorted(records, key=lambda record: record.run_id))
    return Folder(path, ordered, ids, predicted, files, scores, extras, corrections=corrections)


def read_extras(path: Path, names: Iterable[str]) -> dict[str, Any]:
    """Those of ``names`` (``EXTRAS``) that lie in a track's folder."""
    return {
        name: _parsed(path / f"{name}.json", partial(_extra, name))
        for name in names
        if os.path.lexists(path / f"{name}.json")
    }


def _parsed(path: Path, parse: Callable[[bytes], T]) -> T:
    try:
        return parse(read_file(path))
    except (*DAMAGE, OSError) as error:
        raise DataError(f"{path} cannot be read: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """In one line; of pydantic's many the first, with the field."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, FileNotFoundError):
        return "it is not there; bring it back, or build the board again"
    return first_line(error)


def _records(folder: Path) -> tuple[list[Record], dict[str, Path]]:
    """The records, and run id -> the file of its record."""
    records: list[Record] = []
    files: dict[str, Path] = {}
    for file in sorted(folder.glob("*.json")):
        for record in _parsed(file, _checked_records):
            if record.run_id in files:
                raise DataError(
                    f"run {record.run_id} stands in {files[record.run_id]} and in {file}; "
                    "keep it in one of them"
                )
            records.append(record)
            files[record.run_id] = file
    return records, files


def _checked_records(content: bytes) -> list[Record]:
    records = unpack(content)
    for record in records:
        check_record(record)
    return records


def _predictions(folder: Path, files: Mapping[str, Path]) -> dict[str, np.ndarray]:
    """Run id -> its predictions. ``files``: run id -> the file of its record."""
    predicted: dict[str, np.ndarray] = {}
    for file in sorted(folder.glob("*.safetensors")):
        for run_id, array in _parsed(file, _arrays).items():
            if run_id in predicted:
                raise DataError(
                    f"the predictions of run {run_id} stand in {file} and in another file; "
                    "keep them beside its record"
                )
            if run_id in files and files[run_id].stem != file.stem:
                raise DataError(
                    f"{file} holds the predictions of run {run_id}, "
                    f"whose record is in {files[run_id]}; give both one name"
                )
            predicted[run_id] = array
    return predicted


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    arrays = load(content)
    for run_id, array in arrays.items():
        if not array.ndim:
            raise ValueError(f"what it holds of run {run_id} are no rows")
    return {run_id: array.astype(float) for run_id, array in arrays.items()}


def _row_ids(content: bytes) -> dict[str, list[str]]:
    return TypeAdapter(dict[str, list[str]]).validate_python(strict(content), strict=True)


def _correction(content: bytes) -> Correction:
    return Correction.model_validate_json(json.dumps(strict(content)))


def _extra(kind: str, content: bytes) -> dict[str, Any]:
    return checked(kind, strict(content))


def _scores(content: bytes, records: Sequence[Record]) -> BoardScores:
    scores = BoardScores.model_validate_json(json.dumps(strict(content)), strict=True)
    if not scores.metrics and records:  # from before they had how metrics are shown
        metrics = facts(BUILT_IN.of(records[0].space.label_space(), scores.metric))
        scores = scores.model_copy(update={"metrics": metrics})
    if scores.metric not in scores.metrics:
        raise ValueError(f"metric: {scores.metric!r} is none of its metrics")
    return scores


def read_all(root: Path, with_scores: bool = True) -> list[Folder]:
    """Every track under ``root``, with titles that are all different. DataError as ``read``, and
    where two folders hold one track.
    """
    return titled([read(path, with_scores) for path in tracks(root)])


def titled(folders: Sequence[Folder]) -> list[Folder]:
    """With titles that are all different. DataError where two hold one track."""
    track_of_folder = [f.records[0].track if f.records else f.board.track for f in folders]
    first: dict[str, Path] = {}
    for folder, track in zip(folders, track_of_folder, strict=True):
        before = first.setdefault(track.model_dump_json(), folder.path)
        if before != folder.path:
            raise DataError(
                f"{before} and {folder.path} hold the same track; move records/ and predictions/ "
                f"of one into the other, and remove it"
            )
    return [
        replace(f, title=name) for f, name in zip(folders, titles(track_of_folder), strict=True)
    ]


def tracks(root: Path) -> list[Path]:
    """The folders of tracks under ``root``, also one that has lost its rows.json, so that whoever
    reads it says so. DataError where there is none.
    """
    with_rows = {path.parent for path in root.glob("*/rows.json")}
    lists = (path.parent for path in root.glob(f"*/{LIST}") if path.parent not in with_rows)
    folders = sorted(with_rows | {folder for folder in lists if "rows.json" in written(folder)})
    if not folders:
        if (root / "rows.json").is_file():
            raise DataError(f"{root} is one board; name the folder that it lies in, {root.parent}")
        raise DataError(
            f"{root} holds no boards (no folder with a rows.json); "
            f"merbench leaderboard build --out {root} makes some"
        )
    return folders
