"""The store: a folder of runs. ``runs/<run_id>.json`` is the record, ``runs/<run_id>.safetensors``
its predictions.

A record is the commit point: its predictions are written before it, so a record that is there is
whole; one that takes the place of another waits in ``pending/`` meanwhile. Predictions name the
record that they belong to, and they and weights carry a digest of themselves. What is damaged is
moved to ``set-aside/`` and reported, never deleted; what cannot be opened, or was written by a
newer merbench, stays where it is.
``weights/<run_id>.safetensors`` holds what was trained: no score needs it, and it may be deleted.
``replaced/`` keeps finished runs that were made again under their own id and came out otherwise;
``corrections/`` says which runs supersede which (history.py).
"""

from __future__ import annotations

import glob
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from merbench.api.errors import DataError, RequestError
from merbench.api.first_line import typed
from merbench.results.files import inside, write_atomic
from merbench.results.records.predictions import (
    Predictions,
    check_predictions,
    predictions_file,
    read_predictions,
    record_key,
    same_predictions,
)
from merbench.results.records.reading import UnreadableError, read_record
from merbench.results.records.record import Record, Track
from merbench.results.records.sealed import check
from merbench.results.store.claims import Claims
from merbench.results.store.corrections import REPLACED, replaced_name
from merbench.results.store.root_folder import RootFolder
from merbench.results.store.set_aside import set_aside
from merbench.results.store.unfinished import checkpoint_of, drop_finished

DAMAGE = (
    ValueError, LookupError, TypeError, AttributeError, RecursionError, SafetensorError,
    FileNotFoundError,
)  # fmt: skip
"""What reading a damaged run raises (ValidationError is a ValueError). No other OSError: a folder
without permission, or a disk that is away, says nothing about the file.
"""
_REREAD = 5
"""So often, with pauses, are a record and predictions read that do not belong together: another
process may be between writing the two."""


class Store:
    """``warnings`` collects one sentence for each record that was set aside."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs = root / "runs"
        self.warnings: list[str] = []
        self._folder = RootFolder(root)

    def require_writable(self) -> None:
        """RequestError when nothing can be written here: reported before training, not after."""
        self._folder.require_writable()
        Claims(self.root).drop_all_dead()
        for path in (self.root / "pending").glob("*.json"):
            self._finish_put(path.stem.partition(".")[0])
            path.unlink(missing_ok=True)
        drop_finished(self.root, self._readable)

    def _readable(self, run_id: str) -> Record | None:
        """The record, where it can be read; nothing is set aside."""
        with suppress(*DAMAGE, DataError, UnreadableError, OSError):
            return read_record(self.file(run_id, ".json"))
        return None

    def require_same_folder(self) -> None:
        """RequestError where another folder is now where the store was."""
        self._folder.require_same()

    def require_room(self) -> None:
        """As ``require_same_folder``; RequestError also where the folder takes nothing more."""
        self._folder.require_room()

    def remove_if_empty(self) -> None:
        """Remove the folders that a refused request has made and left empty."""
        self._folder.remove_if_empty()

    def get(self, run_id: str) -> Record | None:
        """The record; None where there is none, or a damaged one (then it is set aside).
        UnreadableError where it cannot be opened, or a newer merbench wrote it.
        """
        path = self.file(run_id, ".json")
        try:
            if not path.exists():
                return None
            self._finish_put(run_id)
            return self.read(run_id)
        except DAMAGE as error:
            self._set_aside(run_id, error)
            return None
        except OSError as error:
            raise UnreadableError(
                f"the record {path} or its predictions cannot be read ({error.strerror}); "
                "make them readable, or choose another --store DIR"
            ) from error

    def read(self, run_id: str) -> Record:
        """The record, as long as it and its predictions are whole. Raises one of DAMAGE, OSError or
        UnreadableError.
        """
        for _ in range(_REREAD):
            record = read_record(self.file(run_id, ".json"))
            if record.status != "done":
                return record
            predictions = self.predictions(run_id)
            if predictions.record in ("", record_key(record)):
                check_predictions(record, predictions)
                return record
            time.sleep(0.2)
        raise ValueError("its predictions are of another training of the same run")

    def find(self, name: str) -> Record:
        """A finished run by its id or the beginning of it. RequestError where none or several are
        meant, or the run failed.
        """
        fits = sorted(path.stem for path in self.runs.glob("*.json") if path.stem.startswith(name))
        record = self.get(fits[0]) if len(fits) == 1 else None
        if record is None:
            reason = f"{len(fits)} runs begin so" if len(fits) > 1 else "there is no such run"
            raise RequestError(
                f"run {name!r}: {reason} in {self.runs}; "
                "give a run id of that store, or another store with --store DIR"
            )
        if record.status != "done":
            raise RequestError(
                f"run {name!r} {record.status} ({record.error}); give a finished one"
            )
        return record

    def records(self) -> Iterator[Record]:
        """Every readable record, in the order of run ids."""
        for path in sorted(self.runs.glob("*.json")):
            try:
                record = self.get(path.stem)
            except UnreadableError as error:
                self.warnings.append(f"left out: {error}")
                continue
            if record is not None:
                yield record

    def put(
        self, record: Record, predictions: Predictions | None = None, weights: bytes | None = None
    ) -> None:
        """Weights and predictions first, then the record. RequestError on a full disk or read-only
        folder; nothing half-written stays.

        ``weights``: a whole safetensors file; those of an earlier run of that id go in any case. An
        earlier finished run of that id with other results is kept in ``replaced/``.
        """
        try:
            self.require_same_folder()
            self._keep_replaced(record, predictions)
            if weights is not None:
                write_atomic(self._weights(record.run_id), weights)
            elif record.status == "done":
                self._weights(record.run_id).unlink(missing_ok=True)
            self._write_run(record, predictions)
        except OSError as error:
            self.require_same_folder()  # which says why, where it is another one by now
            raise self._unwritten(record, error) from error

    def _keep_replaced(self, record: Record, predictions: Predictions | None) -> None:
        try:
            before = self.get(record.run_id)
        except UnreadableError:
            return
        if before is None or before.status != "done":
            return
        earlier = self.predictions(record.run_id)
        same_cuts = before.thresholds == record.thresholds
        if same_cuts and predictions is not None and same_predictions(earlier, predictions):
            return
        self._write_run(before.model_copy(update={"run_id": replaced_name(before)}), earlier)

    def _write_run(self, record: Record, predictions: Predictions | None) -> None:
        if predictions is None:
            self._write(record)
            return
        content = predictions_file(predictions, record)
        pending = self._pending(record.run_id, content)
        if self.file(record.run_id, ".json").exists():
            write_atomic(pending, _content(record))
        write_atomic(self.file(record.run_id, ".safetensors"), content)
        self._write(record)
        pending.unlink(missing_ok=True)

    def _finish_put(self, run_id: str) -> None:
        """Put the record in its place whose predictions are there already, as a kill leaves them.
        Nothing where there is none, or the store is read-only.
        """
        with suppress(OSError):
            for path in (self.root / "pending").glob(f"{glob.escape(run_id)}.*.json"):
                predictions = self.file(run_id, ".safetensors").read_bytes()
                if path == self._pending(run_id, predictions):
                    path.replace(self.file(run_id, ".json"))

    def _pending(self, run_id: str, predictions: bytes) -> Path:
        """Where the record of these predictions waits."""
        return self.root / "pending" / f"{run_id}.{sha256(predictions).hexdigest()}.json"

    def update(
        self, record: Record, tuned_by: Mapping[str, Any] | None, track: Track | None = None
    ) -> Record:
        """The run of this ``record`` as the store has it by now, with another ``tuned_by`` where
        one is given: a search continued, and its winner is still this. ``track``: one on which it
        is to stand too.
        """
        if _updated(record, tuned_by, track) is record:
            return record
        try:
            self.require_same_folder()
            # Of its own name: the run's claim is held for as long as it is trained again.
            with Claims(self.root).hold(f"update-{record.run_id}"):
                stored = self._readable(record.run_id) or record
                updated = _updated(stored, tuned_by, track)
                if updated is not stored:
                    self._write(updated)
        except OSError as error:
            raise self._unwritten(record, error) from error
        return updated

    def _write(self, record: Record) -> None:
        write_atomic(self.file(record.run_id, ".json"), _content(record))

    def file(self, run_id: str, suffix: str) -> Path:
        """``.json``: its record, ``.safetensors``: its predictions."""
        folder = self.root / "replaced" if REPLACED in run_id else self.runs
        return inside(folder, f"{run_id}{suffix}")

    def _unwritten(self, record: Record, error: OSError) -> RequestError:
        return RequestError(
            f"run {record.run_id} could not be written to {self.runs} ({error.strerror}); "
            "make room, make it writable or choose another --store DIR, "
            "and run again: what was written before is whole"
        )

    def predictions(self, run_id: str) -> Predictions:
        """Raises one of DAMAGE where the file is missing or broken, OSError where it cannot be
        opened.
        """
        return read_predictions(self.file(run_id, ".safetensors"))

    def weights(self, run_id: str) -> Path:
        """The file of a run's trained weights. RequestError where the store keeps none, or those of
        another training.
        """
        path = self._weights(run_id)
        if not path.is_file():
            raise RequestError(
                f"the store has no weights of run {run_id} ({path} is not there); "
                "run it again with --force"
            )
        if not self.has_weights(run_id):
            raise RequestError(
                f"the weights {path} are not those of the run's record; run it again with --force"
            )
        try:
            check(path)
        except (ValueError, OSError) as error:
            raise RequestError(
                f"the weights {path} are damaged ({error}); run it again with --force"
            ) from error
        return path

    def has_weights(self, run_id: str) -> bool:
        """Whether there is a file of weights which, as far as it can be read, are those of the
        record.
        """
        path, record = self._weights(run_id), self.get(run_id)
        if record is None or not path.is_file():
            return False
        try:
            with safe_open(path, framework="numpy") as file:
                return (file.metadata() or {}).get("sha256") == record.weights_sha256
        except SafetensorError:
            return True  # whoever loads it reports what is wrong

    def _weights(self, run_id: str) -> Path:
        return self.root / "weights" / f"{run_id}.safetensors"

    def checkpoint(self, run_id: str) -> Path:
        """Where an unfinished run keeps its state."""
        return checkpoint_of(self.root, run_id)

    def reject(self, path: Path, sentence: str) -> None:
        """Move a file that cannot be used to ``set-aside/``, and warn."""
        self.warnings.append(f"{sentence}; {set_aside(self.root, [path])}")

    def _set_aside(self, run_id: str, error: Exception) -> None:
        record = self.file(run_id, ".json")
        files = record.parent.glob(f"{glob.escape(run_id)}.*")
        # The record last: without it, a kill would leave its predictions as those of no run.
        place = set_aside(self.root, sorted(files, key=lambda path: path.suffix == ".json"))
        self.warnings.append(f"the record {record} cannot be used ({typed(error)}); {place}")


def _updated(record: Record, tuned_by: Mapping[str, Any] | None, track: Track | None) -> Record:
    """The ``record`` itself where it says all of it."""
    updated = record.standing_on([track] if track else [])
    if tuned_by is None or record.tuned_by == tuned_by:
        return updated
    return updated.model_copy(update={"tuned_by": dict(tuned_by)})


def _content(record: Record) -> bytes:
    return record.model_dump_json(indent=1).encode()
