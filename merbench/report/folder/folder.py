"""A track's folder in ``leaderboards/``: records and predictions by row id, and ``scores.json``
with all that was computed from labels.

Labels and transcripts are never in it. ``read`` needs none of them, so whatever is drawn from a
folder can be drawn again without data.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from merbench.api.errors import DataError
from merbench.report.folder.packed import pack, strict, unpack
from merbench.report.folder.written import refuse_others, replace_written
from merbench.report.scores.board_scores import BoardScores, facts
from merbench.report.scores.entries import Board, Entry, collect
from merbench.report.scores.source import Source
from merbench.results.corrections import Correction
from merbench.results.history import FOLDER as CORRECTIONS
from merbench.results.history import as_file
from merbench.results.metrics import BUILT_IN, Registry
from merbench.results.outside import UNKNOWN
from merbench.results.reading import check_record
from merbench.results.record import Record, Track
from merbench.results.spec import series
from merbench.results.store import Predictions
from merbench.results.titles import fingerprint, titles

EXTRAS = ("generalise", "robust")
"""What ``merbench generalise --json`` and ``merbench robust --json`` print may lie beside the
records and is drawn.
"""


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")


def folder_names(
    tracks: Sequence[Track], held: Mapping[str, Track] = MappingProxyType({})
) -> list[str]:
    """``mosi-sentiment-standard``; where tracks share that, all of them have their streams in their
    name; where they share these too, a hash of the track. The order of ``tracks`` does not matter.

    ``held``: folder -> the track that it holds already, which keeps it.
    """
    kept = {track.model_dump_json(): name for name, track in held.items()}
    possible = {t.model_dump_json(): _possible_names(t) for t in (*tracks, *held.values())}
    claims = Counter(name for names in possible.values() for name in names)
    keys = [track.model_dump_json() for track in tracks]
    return [
        kept.get(key)
        or next(name for name in possible[key] if claims[name] == 1 and name not in held)
        for key in keys
    ]


def _possible_names(track: Track) -> list[str]:
    """From the shortest to one that no other track has."""
    short = f"{track.dataset}-{track.task}-{track.protocol}"
    long = f"{short}-{'-'.join(s.partition('.')[2] or s for s in track.streams) or UNKNOWN}"
    return list(dict.fromkeys(map(slug, (short, long, f"{long}-{fingerprint(track)}"))))


def held_tracks(root: Path) -> dict[str, Track]:
    """Folder -> its track, of those under ``root`` whose records can be read."""
    held = {}
    for path in sorted(root.glob("*/records")):
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration):
            held[path.parent.name] = unpack(next(path.glob("*.json")).read_bytes())[0].track
    return held


def file_names(entries: Sequence[Entry], alone: bool = False) -> list[str]:
    """The name of each row as a file's; a hash of its runs' spec and source distinguishes
    equal ones. ``alone``: it stands in all, so that the files lie beside any others.
    """
    plain = [slug(entry.name) for entry in entries]
    return [
        f"{name}-{_hash(e.first)}" if alone or plain.count(name) > 1 else name
        for name, e in zip(plain, entries, strict=True)
    ]


def _hash(record: Record) -> str:
    return sha256(
        f"{series(record.spec, record.contents)} {record.source_digest}".encode()
    ).hexdigest()[:8]


@dataclass(frozen=True)
class Folder:
    """What a folder holds. ``ids``: fold (empty = none) -> the ids of its test rows. ``files``: run
    id -> the file of its record.
    """

    path: Path
    records: tuple[Record, ...]
    ids: Mapping[str, Sequence[str]]
    predicted: Mapping[str, np.ndarray]
    files: Mapping[str, Path]
    scores: BoardScores | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    """Where the track's own title is another folder's too."""
    corrections: tuple[Correction, ...] = ()

    @property
    def board(self) -> Board:
        return self.by(self.scores.floors if self.scores else ())

    def by(self, floors: Collection[str], registry: Registry = BUILT_IN) -> Board:
        """With these models as floors, and these metrics."""
        boards = collect(self.records, floors, registry=registry, corrections=self.corrections)
        if len(boards) != 1:
            raise DataError(
                f"{self.path} holds records of {len(boards)} tracks, where one folder is one track"
            )
        return replace(boards[0], given_title=self.title)


def _runs(entries: Sequence[Entry], source: Source, alone: bool = False) -> dict[str, bytes]:
    """Records and predictions of some rows, and the ids of the test rows, as files."""
    ids: dict[str, list[str]] = {}
    files: dict[str, bytes] = {}
    for name, entry in zip(file_names(entries, alone), entries, strict=True):
        tensors = {}
        for record in entry.done:
            held = source.predictions(record.run_id)
            known = ids.setdefault(fold_name(record), list(held.ids))
            if known != list(held.ids):
                raise DataError(
                    f"run {record.run_id} has other test rows than the runs before it on the track "
                    f"{record.track.title}"
                )
            small = held.prediction.astype(np.float32)
            tensors[record.run_id] = (
                small if np.array_equal(small, held.prediction) else held.prediction
            )
        files[f"records/{name}.json"] = pack(entry.records)
        files[f"predictions/{name}.safetensors"] = save(dict(sorted(tensors.items())))
    files["rows.json"] = json.dumps(dict(sorted(ids.items())), indent=0).encode()
    return files


def unwritten(path: Path, board: Board, source: Source) -> Folder:
    """What ``write`` would put there, as it would be read again; without scores."""
    entries = board.all_entries
    records = [record for entry in entries for record in entry.records]
    predictions = {r.run_id: source.predictions(r.run_id) for e in entries for r in e.done}
    files = {
        record.run_id: path / "records" / f"{name}.json"
        for name, entry in zip(file_names(entries), entries, strict=True)
        for record in entry.records
    }
    return Folder(
        path,
        tuple(sorted(records, key=lambda record: record.run_id)),
        {fold_name(r): predictions[r.run_id].ids for r in records if r.run_id in predictions},
        {run_id: rows.prediction.astype(float) for run_id, rows in predictions.items()},
        files,
        corrections=_of_board(board, source),
    )


def _of_board(board: Board, source: Source) -> tuple[Correction, ...]:
    """The corrections of its superseded rows."""
    superseded = {r.run_id for e in board.superseded for r in e.records}
    return tuple(c for c in source.corrections() if superseded & c.old.keys())


def write(
    path: Path,
    board: Board,
    scores: BoardScores,
    source: Source,
    extras: Mapping[str, Any],
    alone: bool = False,
) -> None:
    """Runs, scores and extras take the place of those that merbench wrote there before; what is
    drawn of them stays until it is drawn again. ``alone`` as in ``file_names``.

    RequestError where somebody else's file is in the way.
    """
    files = _runs(board.all_entries, source, alone)
    for correction in _of_board(board, source):
        files[f"{CORRECTIONS}/{correction.id}.json"] = as_file(correction)
    files["scores.json"] = _scores_file(scores)
    for name, value in extras.items():
        files[f"{name}.json"] = json.dumps(value, indent=1, ensure_ascii=False).encode()
    folders = ("records/*", "predictions/*", f"{CORRECTIONS}/*")
    refuse_others(path, (*folders, *(f"{name}.json" for name in EXTRAS)))
    replace_written(path, files, keeps=lambda name: not name.endswith((".json", ".safetensors")))


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
    return scores.model_dump_json(indent=1).encode()


def read(path: Path, with_scores: bool = True) -> Folder:
    """DataError, naming the file, for what cannot be read. ``with_scores`` False: scores.json is
    left out, as where it is to be computed anew.
    """
    records: list[Record] = []
    files: dict[str, Path] = {}
    predicted: dict[str, np.ndarray] = {}
    at = path
    try:
        for at in sorted((path / "records").glob("*.json")):
            for record in unpack(at.read_bytes()):
                if record.run_id in files:
                    raise DataError(
                        f"run {record.run_id} stands in {files[record.run_id]} and in {at}; "
                        "keep it in one of them"
                    )
                check_record(record)
                records.append(record)
                files[record.run_id] = at
        for at in sorted((path / "predictions").glob("*.safetensors")):
            for name, array in load(at.read_bytes()).items():
                if name in predicted:
                    raise DataError(
                        f"the predictions of run {name} stand in {at} and in another file; "
                        "keep them beside its record"
                    )
                if name in files and files[name].stem != at.stem:
                    raise DataError(
                        f"{at} holds the predictions of run {name}, "
                        f"whose record is in {files[name]}; give both one name"
                    )
                if not array.ndim:
                    raise ValueError(f"what it holds of run {name} are no rows")
                predicted[name] = array.astype(float)
        at = path / "rows.json"
        ids = TypeAdapter(dict[str, list[str]]).validate_python(
            strict(at.read_bytes()), strict=True
        )
        corrections = []
        for at in sorted((path / CORRECTIONS).glob("*.json")):
            corrections.append(Correction.model_validate_json(json.dumps(strict(at.read_bytes()))))
        at = path / "scores.json"
        scores = _read_scores(at, records) if with_scores and at.is_file() else None
        extras = {}
        for name in EXTRAS:
            at = path / f"{name}.json"
            if at.is_file():
                extras[name] = strict(at.read_bytes())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise DataError(f"{at} cannot be read: {_reason(error)}") from error
    ordered = tuple(sorted(records, key=lambda r: r.run_id))
    return Folder(
        path, ordered, ids, predicted, files, scores, extras, corrections=tuple(corrections)
    )


def _read_scores(path: Path, records: Sequence[Record]) -> BoardScores:
    scores = BoardScores.model_validate_json(json.dumps(strict(path.read_bytes())), strict=True)
    if not scores.metrics and records:  # from before they had how metrics are shown
        metrics = facts(BUILT_IN.of(records[0].space.label_space(), scores.metric))
        scores = scores.model_copy(update={"metrics": metrics})
    if scores.metric not in scores.metrics:
        raise ValueError(f"metric: {scores.metric!r} is none of its metrics")
    return scores


def _reason(error: Exception) -> str:
    """In one line; of pydantic's many the first, with the field."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def read_all(root: Path, with_scores: bool = True) -> list[Folder]:
    """Every track under ``root``, with titles that are all different. DataError as ``read``, and
    where two folders hold one track.
    """
    return titled([read(path, with_scores) for path in tracks(root)])


def titled(folders: Sequence[Folder]) -> list[Folder]:
    """With titles that are all different. DataError where two hold one track."""
    held = [f.records[0].track if f.records else f.board.track for f in folders]
    first: dict[str, Path] = {}
    for folder, track in zip(folders, held, strict=True):
        before = first.setdefault(track.model_dump_json(), folder.path)
        if before != folder.path:
            raise DataError(
                f"{before} and {folder.path} hold the same track; move records/ and predictions/ "
                f"of one into the other, and remove it"
            )
    return [replace(f, title=name) for f, name in zip(folders, titles(held), strict=True)]


def tracks(root: Path) -> list[Path]:
    """The folders of tracks under ``root``. DataError where there is none."""
    found = sorted(p.parent for p in root.glob("*/rows.json"))
    if not found:
        raise DataError(
            f"{root} holds no boards (no folder with a rows.json); "
            f"merbench leaderboard build --out {root} makes some"
        )
    return found


@dataclass(frozen=True)
class Labelled:
    """A folder's runs with the user's labels beside them: a ``Source``. ``target`` and ``video`` by
    row id.
    """

    folder: Folder
    target: Mapping[str, Any]
    video: Mapping[str, str]

    def records(self) -> list[Record]:
        return list(self.folder.records)

    def corrections(self) -> list[Correction]:
        return list(self.folder.corrections)

    def predictions(self, run_id: str) -> Predictions:
        """KeyError for a run without predictions, or a row id that the data do not have."""
        record = next(r for r in self.folder.records if r.run_id == run_id)
        ids = list(self.folder.ids[fold_name(record)])
        return Predictions(
            ids,
            [self.video[i] for i in ids],
            np.array([self.target[i] for i in ids]),
            self.folder.predicted[run_id],
        )

    def content(self, run_id: str) -> str:
        return run_id


def fold_name(record: Record) -> str:
    """A run's key in ``rows.json``."""
    return "" if record.fold is None else str(record.fold)
