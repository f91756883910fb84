"""A track's folder, written: runs, scores and what is drawn of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from merbench.api.control_characters import json_printable
from merbench.api.errors import DataError
from merbench.report.folder.analysis_files import EXTRAS
from merbench.report.folder.folder import Folder, fold_name
from merbench.report.folder.names import file_names
from merbench.report.folder.packed import pack
from merbench.report.folder.written_files import refuse_others, replace_written
from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board, Entry
from merbench.report.scores.runs_of_a_store import Source
from merbench.results.store.corrections import Correction
from merbench.results.store.history import FOLDER as CORRECTIONS
from merbench.results.store.history import as_file


def unwritten(path: Path, board: Board, source: Source) -> Folder:
    """A board's runs as they are read again from ``path`` once ``write`` has put them there;
    without scores. DataError where two runs of a fold have other test rows.
    """
    entries = board.all_entries
    ids: dict[str, Sequence[str]] = {}
    predicted: dict[str, np.ndarray] = {}
    for record in (r for entry in entries for r in entry.done):
        predictions = source.predictions(record.run_id)
        if list(predictions.ids) != list(ids.setdefault(fold_name(record), predictions.ids)):
            raise DataError(
                f"run {record.run_id} has other test rows than the runs before it on the track "
                f"{record.track.title}"
            )
        predicted[record.run_id] = predictions.prediction.astype(float)
    files = {
        record.run_id: path / "records" / f"{name}.json"
        for name, entry in zip(file_names(entries), entries, strict=True)
        for record in entry.records
    }
    records = sorted((r for e in entries for r in e.records), key=lambda record: record.run_id)
    corrections = _of_board(board, source)
    return Folder(path, tuple(records), ids, predicted, files, corrections=corrections)


def _of_board(board: Board, source: Source) -> tuple[Correction, ...]:
    """The corrections of its superseded rows."""
    superseded = {r.run_id for e in board.superseded for r in e.records}
    return tuple(c for c in source.corrections() if superseded & c.old.keys())


def write(
    folder: Folder,
    board: Board,
    scores: BoardScores,
    extras: Mapping[str, Any],
    alone: bool = False,
) -> Folder:
    """An ``unwritten`` board's runs, with scores and extras, take the place of those that merbench
    wrote there before; what is drawn of them stays until it is drawn again. Returns the folder as
    it is read again. ``alone`` as in ``file_names``.

    RequestError where somebody else's file is in the way.
    """
    files = _runs(folder, board.all_entries, alone)
    for correction in folder.corrections:
        files[f"{CORRECTIONS}/{correction.id}.json"] = as_file(correction)
    files["scores.json"] = _scores_file(scores)
    for name, value in extras.items():
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        files[f"{name}.json"] = json_printable(text).encode()
    folders = ("records/*", "predictions/*", f"{CORRECTIONS}/*")
    refuse_others(folder.path, (*folders, *(f"{name}.json" for name in EXTRAS)))
    replace_written(
        folder.path, files, keeps=lambda name: not name.endswith((".json", ".safetensors"))
    )
    return replace(folder, scores=scores, extras=extras)


def _runs(folder: Folder, entries: Sequence[Entry], alone: bool) -> dict[str, bytes]:
    """Records and predictions of rows, and the ids of the test rows, as files."""
    files: dict[str, bytes] = {}
    for name, entry in zip(file_names(entries, alone), entries, strict=True):
        tensors = {}
        for record in sorted(entry.done, key=lambda record: record.run_id):
            exact = folder.predicted[record.run_id]
            single = exact.astype(np.float32)
            tensors[record.run_id] = single if np.array_equal(single, exact) else exact
        files[f"records/{name}.json"] = pack(entry.records)
        files[f"predictions/{name}.safetensors"] = save(tensors)
    ids = {fold: list(of_fold) for fold, of_fold in sorted(folder.ids.items())}
    files["rows.json"] = json.dumps(ids, indent=0).encode()
    return files


def write_scores(path: Path, scores: BoardScores) -> None:
    replace_written(path, {"scores.json": _scores_file(scores)}, keeps=lambda name: True)


def write_drawn(root: Path, drawn: Mapping[str, bytes]) -> None:
    """What ``site`` draws. Pictures that are drawn no more are removed."""
    by_folder: dict[str, dict[str, bytes]] = {}
    for place, content in drawn.items():
        folder, _, name = place.rpartition("/")
        by_folder.setdefault(folder, {})[name] = content
    for folder, contents in sorted(by_folder.items(), reverse=True):  # the root's page last
        replace_written(root / folder, contents, keeps=lambda name: not name.endswith(".svg"))


def _scores_file(scores: BoardScores) -> bytes:
    return json_printable(scores.model_dump_json()).encode()
