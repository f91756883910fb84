"""A record before it is known how its run ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from merbench.results.records.provenance import packages
from merbench.results.records.record import Cost, Metrics, Record, RecordedSpace, Track
from merbench.results.spec import RunSpec


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The fields of a ``Record`` that are known when its run begins, and ``reads`` and ``notes``,
    which grow while it trains.
    """

    run_id: str
    started: str
    spec: RunSpec
    track: Track
    also_on: Sequence[Track]
    seed: int
    fold: int | None
    folds: int
    space: RecordedSpace
    counts: Mapping[str, int]
    contents: Mapping[str, str]
    source_digest: str
    caveat: str
    tuned_by: Mapping[str, Any] | None
    provenance: Mapping[str, Any]
    reads: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def with_training(self, reads: Sequence[str], notes: Sequence[str]) -> Draft:
        """After training. ``reads``: the splits that were read until then. Packages that decode
        clips or hold towers are loaded only then.
        """
        provenance = {**self.provenance, "packages": packages()}
        streams_read = (*dict.fromkeys(reads), "trained")
        return replace(self, reads=streams_read, notes=tuple(notes), provenance=provenance)

    def failed(self, error: str) -> Record:
        return Record(status="failed", error=error, **self._fields())

    def done(
        self,
        *,
        metrics: Metrics,
        thresholds: list[float] | None,
        measured: dict[str, dict[str, float]],
        history: list[dict[str, Any]],
        best_epoch: int | None,
        cost: Cost,
        weights_sha256: str,
        test_reads: Sequence[str],
    ) -> Record:
        """``test_reads``: the splits that were read for scoring, after training."""
        known = self._fields()
        known["reads"] = [*self.reads, *test_reads]
        return Record(
            status="done",
            metrics=metrics,
            thresholds=thresholds,
            measured=measured,
            history=history,
            best_epoch=best_epoch,
            cost=cost,
            weights_sha256=weights_sha256,
            **known,
        )

    def _fields(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        lists = ("also_on", "reads", "notes")
        return values | {name: list(values[name]) for name in lists}
