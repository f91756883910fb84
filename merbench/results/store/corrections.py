"""Corrections: which runs others supersede, why, and since when.

Nothing is deleted: a superseded run stays as it is and leaves the ranking. A run that was made
again under its own id (``--force``) is kept under the id, ``~`` and the beginning of its digest.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import Field, field_validator

from merbench.api.declarations.config import Config
from merbench.results.records.outside import one_line
from merbench.results.records.record import Record
from merbench.results.spec import canonical

REPLACED = "~"
RunName = Annotated[str, Field(pattern=r"^[0-9A-Za-z_~-]+$")]
"""A file name, so that it leads to no other folder."""


class Correction(Config):
    """``old`` and ``new``: name of a run -> ``digest`` of its record."""

    schema_number: Literal[1] = 1
    old: Annotated[dict[RunName, str], Field(min_length=1)]
    new: Annotated[dict[RunName, str], Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    date: datetime.date

    @field_validator("reason")
    @classmethod
    def _readable(cls, text: str) -> str:
        return one_line(text)

    @property
    def id(self) -> str:
        """Of its content, so that equal corrections are one."""
        return sha256(canonical(self.model_dump(mode="json")).encode()).hexdigest()[:16]


def digest(record: Record) -> str:
    """Of what was run and what came out, not of when and where. The spec is in it by the run id."""
    metrics = record.metrics
    facts = [
        original(record.run_id),
        record.weights_sha256,
        record.thresholds,
        metrics and [metrics.valid, metrics.test],
        record.outside and record.outside.predictions_sha256,
    ]
    return sha256(canonical(facts).encode()).hexdigest()


def replaced_name(record: Record) -> str:
    """Under which a run stays that was made again under its own id."""
    return f"{original(record.run_id)}{REPLACED}{digest(record)[:8]}"


def original(name: str) -> str:
    """The run id that a name of a run begins with."""
    return name.partition(REPLACED)[0]


def by_old_run(corrections: Iterable[Correction]) -> dict[str, Correction]:
    """Name of a superseded run -> its correction; of several the first one."""
    first: dict[str, Correction] = {}
    for correction in sorted(corrections, key=lambda c: (c.date, c.id)):
        for name in correction.old:
            first.setdefault(name, correction)
    return first


def faults(
    corrections: Iterable[Correction], digests: Mapping[str, str]
) -> Iterator[tuple[Correction, str]]:
    """Each correction with what is wrong with it. ``digests``: name -> ``digest`` of the records
    that are there.
    """
    corrections = list(corrections)
    for correction in corrections:
        for word, runs in (("superseded", correction.old), ("superseding", correction.new)):
            for name, stated in runs.items():
                if name not in digests:
                    yield correction, f"its {word} run {name} is gone; bring its record back"
                elif digests[name] != stated:
                    yield correction, f"its {word} run {name} is not the one it was made for"
    replaced_by = {name: c.new for name, c in by_old_run(corrections).items()}
    for correction in corrections:
        if _in_circle(correction, replaced_by):
            yield correction, "its superseding runs are superseded by its superseded ones"


def _in_circle(correction: Correction, replaced_by: Mapping[str, Mapping[str, str]]) -> bool:
    """True if following what supersedes what leads back to one of its own superseded runs."""
    reached: set[str] = set()
    ahead = set(correction.new)
    while ahead:
        if ahead & correction.old.keys():
            return True
        reached |= ahead
        ahead = {name for old in ahead for name in replaced_by.get(old, ())} - reached
    return False
