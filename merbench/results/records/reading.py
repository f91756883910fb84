"""A record is validated once, where it is read: whoever gets one may rely on what it says."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from merbench.api.errors import RequestError
from merbench.results.records.record import SCHEMA, Record

_EXPONENT = re.compile(rb"\d[eE]\+?\d{3}")
_BEGINS_A_NUMBER = re.compile(rb"(?:[\s:,\[-]\d|\A)[\d.]*\Z")


class UnreadableError(RequestError):
    """A record that is there, cannot be read here, and is not known to be damaged."""


def read_record(path: Path) -> Record:
    """ValueError (of which ValidationError is one) for a damaged record, UnreadableError for one of
    a newer merbench or for what is no file, OSError where it cannot be opened.
    """
    if not path.is_file():
        raise UnreadableError(f"the record {path} is no file; move it away")
    data = path.read_bytes()
    try:
        record = Record.model_validate_json(data)
    except ValidationError:
        _refuse_newer(path, _schema_number(data))
        raise
    _refuse_newer(path, record.schema_number)
    if record.schema_number != SCHEMA:
        raise ValueError(f"schema {record.schema_number}, this merbench reads {SCHEMA}")
    if record.run_id != path.stem:
        raise ValueError(f"it calls itself {record.run_id}")
    if _may_hold_infinity(data):
        json.loads(data, parse_constant=_finite, parse_float=_finite)
    check_record(record)
    return record


def check_record(record: Record) -> None:
    """ValueError, in one clause, for a record whose fields are of the right types and do not fit
    each other, or hold what no run writes.
    """
    record.space.label_space()
    if record.status == "done":
        _check_results(record)
    if record.tuned_by is not None:
        for key in ("trials", "seconds"):
            if not _is_number(record.tuned_by.get(key)):
                raise ValueError(f"tuned_by has no number of {key}")
    for entry in record.history:
        if not isinstance(entry.get("loss", {}), dict) or not _is_number(entry.get("epoch", 0)):
            raise ValueError("its history has an entry without number of epoch or without losses")
    if not isinstance(record.provenance.get("packages", {}), dict):
        raise ValueError("its provenance names no packages")


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


def _may_hold_infinity(data: bytes) -> bool:
    """False for nearly every record, so that nearly none is parsed twice: the digits of a hash,
    which may look like an exponent, follow a letter or a quotation mark.
    """
    return (
        b"NaN" in data
        or b"Infinity" in data
        or any(
            _BEGINS_A_NUMBER.search(data[max(0, exponent.start() - 40) : exponent.start() + 1])
            for exponent in _EXPONENT.finditer(data)
        )
    )


def _finite(number: str) -> float:
    """ValueError where it is none; words that contain such letters never come here."""
    if not math.isfinite(value := float(number)):
        raise ValueError(f"it holds {number}, which is no finite number")
    return value


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
