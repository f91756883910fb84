"""The store: a folder of runs. ``runs/<run_id>.json`` is the record, ``runs/<run_id>.safetensors``
its predictions.

A record is the commit point: its predictions are written before it, so a record that is there is
whole. What cannot be read is moved to ``set-aside/`` and told, never deleted.
``weights/<run_id>.safetensors`` holds what was trained: no score needs it, and it may be deleted.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from merbench.api.errors import RequestError
from merbench.api.material.corpus import Corpus, Task
from merbench.results.files import write_atomic
from merbench.results.record import SCHEMA, Record


@dataclass(frozen=True)
class Predictions:
    """One run's test rows: ``ids`` and ``videos`` [N], ``target`` and ``prediction`` [N] or [N, C]
    as the metrics take them.

    A cell of a multilabel target that is not known is nan.
    """

    ids: Sequence[str]
    videos: Sequence[str]
    target: np.ndarray
    prediction: np.ndarray

    @classmethod
    def of(
        cls,
        corpus: Corpus,
        protocol: str,
        task: Task,
        rows: np.ndarray,
        predictions: np.ndarray,
    ) -> Predictions:
        """``predictions`` beside the ids, videos (or what else rows of ``protocol`` belong to) and
        targets of their ``rows`` of ``corpus``.
        """
        target = task.target[rows]
        if task.known is not None and target.ndim > 1:
            target = np.where(task.known[rows], target, np.nan)
        units = corpus.units(protocol)[rows].tolist()
        return cls(corpus.ids[rows].tolist(), units, target, predictions)


class Store:
    """``warnings`` collects one sentence for each record that was set aside."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs = root / "runs"
        self.warnings: list[str] = []

    def require_writable(self) -> None:
        """RequestError when nothing can be written here: told before training, not after."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise RequestError(
                f"the store {self.root} cannot be written ({error.strerror}); "
                "choose another with --store DIR or MERBENCH_STORE"
            ) from error

    def get(self, run_id: str) -> Record | None:
        """The record; None where there is none, or none that can be read (then it is set aside)."""
        if not (self.runs / f"{run_id}.json").is_file():
            return None
        try:
            return self.read(run_id)
        except (ValidationError, ValueError, OSError, SafetensorError) as error:
            self._set_aside(run_id, error)
            return None

    def read(self, run_id: str) -> Record:
        """The record, as long as it and its predictions are whole. Raises ValidationError,
        ValueError, OSError or SafetensorError.
        """
        record = Record.model_validate_json((self.runs / f"{run_id}.json").read_bytes())
        if record.schema_number != SCHEMA:
            raise ValueError(f"schema {record.schema_number}, this merbench reads {SCHEMA}")
        if record.run_id != run_id:
            raise ValueError(f"it calls itself {record.run_id}")
        if record.status == "done":
            self.predictions(run_id)
        return record

    def find(self, name: str) -> Record:
        """A finished run by its id or the beginning of it. RequestError where none or several are
        meant, or the run failed.
        """
        fits = sorted(path.stem for path in self.runs.glob("*.json") if path.stem.startswith(name))
        record = self.get(fits[0]) if len(fits) == 1 else None
        if record is None:
            what = f"{len(fits)} runs begin so" if len(fits) > 1 else "there is no such run"
            raise RequestError(
                f"run {name!r}: {what} in {self.runs}; "
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
            if (record := self.get(path.stem)) is not None:
                yield record

    def put(
        self, record: Record, predictions: Predictions | None = None, weights: bytes | None = None
    ) -> None:
        """Weights and predictions first, then the record. RequestError on a full disk or read-only
        folder; nothing half-written stays.

        ``weights``: a whole safetensors file; those of an earlier run of that id go in any case.
        """
        try:
            if weights is not None:
                write_atomic(self._weights(record.run_id), weights)
            elif record.status == "done":
                self._weights(record.run_id).unlink(missing_ok=True)
            if predictions is not None:
                tensors = {"target": predictions.target, "prediction": predictions.prediction}
                rows = {
                    "ids": json.dumps(list(predictions.ids)),
                    "videos": json.dumps(list(predictions.videos)),
                }
                contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
                write_atomic(
                    self.runs / f"{record.run_id}.safetensors", save(contiguous, metadata=rows)
                )
            self._write(record)
        except OSError as error:
            raise self._unwritten(record, error) from error

    def retold(self, record: Record, tuned_by: Mapping[str, Any] | None) -> Record:
        """The stored ``record``, with another ``tuned_by`` where one is given: a search went on,
        and its winner is still this.
        """
        if tuned_by is None or record.tuned_by == tuned_by:
            return record
        record = record.model_copy(update={"tuned_by": dict(tuned_by)})
        try:
            self._write(record)
        except OSError as error:
            raise self._unwritten(record, error) from error
        return record

    def _write(self, record: Record) -> None:
        write_atomic(self.runs / f"{record.run_id}.json", record.model_dump_json(indent=1).encode())

    def _unwritten(self, record: Record, error: OSError) -> RequestError:
        return RequestError(
            f"run {record.run_id} could not be written to {self.runs} ({error.strerror}); "
            "make room or choose another --store DIR, "
            "and run again: what was written before is whole"
        )

    def predictions(self, run_id: str) -> Predictions:
        """Raises SafetensorError or OSError where the file is missing or broken."""
        with safe_open(self.runs / f"{run_id}.safetensors", framework="numpy") as file:
            rows = file.metadata()
            target, prediction = file.get_tensor("target"), file.get_tensor("prediction")
        found = Predictions(json.loads(rows["ids"]), json.loads(rows["videos"]), target, prediction)
        if not len(found.ids) == len(found.videos) == len(target) == len(prediction):
            raise ValueError("its arrays have different lengths")
        return found

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
                f"the weights {path} are not those that the record of the run tells of; "
                "run it again with --force"
            )
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
            return True  # whoever loads it tells what is wrong

    def _weights(self, run_id: str) -> Path:
        return self.root / "weights" / f"{run_id}.safetensors"

    def checkpoint(self, run_id: str) -> Path:
        """Where an unfinished run keeps its state."""
        return self.root / "checkpoints" / f"{run_id}.checkpoint"

    def reject(self, path: Path, sentence: str) -> None:
        """Move a file that cannot be used to ``set-aside/``, and tell."""
        self._move([path], sentence)

    def _set_aside(self, run_id: str, error: Exception) -> None:
        reason = str(error).splitlines()[0]
        record = self.runs / f"{run_id}.json"
        self._move(
            self.runs.glob(f"{glob.escape(run_id)}.*"),
            f"the record {record} cannot be used ({type(error).__name__}: {reason})",
        )

    def _move(self, paths: Iterable[Path], sentence: str) -> None:
        aside = self.root / "set-aside"
        try:
            aside.mkdir(parents=True, exist_ok=True)
            for path in paths:
                number = sum(1 for _ in aside.glob(f"{path.name}*"))
                path.rename(aside / (path.name if not number else f"{path.name}.{number}"))
            where = f"it was moved to {aside}"
        except OSError:
            where = "it was left where it is, because the store is read-only"
        self.warnings.append(f"{sentence}; {where}")
