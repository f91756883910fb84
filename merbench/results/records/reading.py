"""A record is validated once, where it is read: whoever gets one may rely on what it says."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from merbench.api.declarations.config import Config
from merbench.api.errors import RequestError
from merbench.results.records.record import SCHEMA, Record

T = TypeVar("T")
_FIELDS = set(Record.model_fields)


class UnreadableError(RequestError):
    """A record that is there, cannot be read here, and is not known to be damaged."""


class RecordReader:
    """Of many records: their parts that are equal are one object. ``histories``: whether to keep
    those, which are most of a record's size.
    """

    def __init__(self, histories: bool = True) -> None:
        self._histories = histories
        self._parts: dict[str, Any] = {}

    def read(self, path: Path) -> Record:
        """As ``read_record``."""
        if not path.is_file():
            raise UnreadableError(f"the record {path} is no file; move it away")
        data = path.read_bytes()
        try:
            record = Record.model_validate_json(data, strict=True)
        except ValidationError:
            _refuse_newer(path, _schema_number(data))
            raise
        _refuse_newer(path, record.schema_number)
        if record.schema_number != SCHEMA:
            raise ValueError(f"schema {record.schema_number}, this merbench reads {SCHEMA}")
        if record.run_id != path.stem:
            raise ValueError(f"it calls itself {record.run_id}")
        _require_finite([record])
        check_record(record)
        return self._with_shared_parts(record)

    def _with_shared_parts(self, record: Record) -> Record:
        shared: dict[str, Any] = {
            "spec": self._shared(record.spec.model_dump_json(), record.spec),
            "track": self._shared(record.track.model_dump_json(), record.track),
            "space": self._shared(record.space.model_dump_json(), record.space),
            "provenance": self._shared(repr(record.provenance), record.provenance),
            "contents": self._shared(repr(record.contents), record.contents),
            "counts": self._shared(repr(record.counts), record.counts),
        }
        if not self._histories:
            shared["history"] = []
        # pydantic's set of the fields that were given is a fourth of a record: one serves all.
        return Record.model_construct(_FIELDS, **{**record.__dict__, **shared})

    def _shared(self, text: str, part: T) -> T:
        """The first part that was written as this ``text``."""
        first: T = self._parts.setdefault(text, part)
        return first


def read_record(path: Path) -> Record:
    """ValueError (of which ValidationError is one) for a damaged record, UnreadableError for one of
    a newer merbench or for what is no file, OSError where it cannot be opened.
    """
    return RecordReader().read(path)


def check_record(record: Record) -> None:
    """ValueError, in one clause, for a record whose fields are of the right types and do not fit
    each other, or hold what no run writes.
    """
    record.space.label_space()
    if record.folds and (record.fold or 0) >= record.folds:
        raise ValueError(f"it is of fold {record.fold} of {record.folds}")
    if record.fold is None and record.folds > 1:
        raise ValueError(f"it is of no fold, and of {record.folds} folds")
    try:
        datetime.fromisoformat(record.started)
    except ValueError:
        raise ValueError(f"it started at {record.started!r}, which is no date") from None
    if record.status == "done":
        _check_results(record)
    if record.tuned_by is not None:
        for key in ("trials", "seconds"):
            if not _is_number(record.tuned_by.get(key)):
                raise ValueError(f"tuned_by has no number of {key}")
    for entry in record.history:
        losses = entry.get("loss", {})
        if not isinstance(losses, dict) or not _is_number(entry.get("epoch", 0)):
            raise ValueError("its history has an entry without number of epoch or without losses")
        scores = [value for key, value in entry.items() if key not in ("stage", "loss")]
        if not all(v is None or _is_number(v) for v in (*losses.values(), *scores)):
            raise ValueError("its history has a loss or a score that is no number")
    for key in ("packages", "git"):
        if not isinstance(record.provenance.get(key, {}), dict):
            raise ValueError(f"its provenance has {key} that are no names with values")


def _check_results(record: Record) -> None:
    if record.metrics is None:
        raise ValueError("it is done and has no metrics")
    for part, values in (("valid", record.metrics.valid), ("test", record.metrics.test)):
        for name, value in values.items():
            if value is not None and not math.isfinite(value):
                raise ValueError(f"its {part} metric {name} is {value}")
    if not all(map(math.isfinite, record.thresholds or ())):
        raise ValueError("its thresholds are not finite")
    if record.cost and not math.isfinite(record.cost.seconds):
        raise ValueError(f"it took {record.cost.seconds} seconds")


def _require_finite(values: Iterable[Any]) -> None:
    """ValueError where a number that is none stands anywhere in ``values``."""
    for value in values:
        if isinstance(value, str | int):
            continue
        if isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError(f"it holds {value}, which is no finite number")
        elif isinstance(value, dict):
            _require_finite(value.values())
        elif isinstance(value, list):
            _require_finite(value)
        elif isinstance(value, Config):
            _require_finite(value.__dict__.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _schema_number(data: bytes) -> int:
    """Of a record that does not fit; that of today where it does not say."""
    try:
        number = json.loads(data)["schema_number"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return SCHEMA
    return number if isinstance(number, int) else SCHEMA


def _refuse_newer(path: Path, number: int) -> None:
    if number > SCHEMA:
        raise UnreadableError(
            f"the record {path} is of schema {number}, and this merbench reads {SCHEMA}; "
            "install a newer merbench"
        )
