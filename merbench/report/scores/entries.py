"""Records -> the rows of each track: which runs belong together, and under which name a reader
tells them apart.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merbench.api.material.types import SpaceKind
from merbench.report.scores.summary import fold_count, group
from merbench.results.metrics import BUILT_IN, Registry, TaskMetrics
from merbench.results.outside import MARK
from merbench.results.record import Record, Track


@dataclass(frozen=True)
class Entry:
    """One row of a table: every run of one spec, made by one version of its components' source, by
    seed and fold.
    """

    name: str
    records: tuple[Record, ...]
    floor: bool = False

    @property
    def first(self) -> Record:
        return self.records[0]

    @property
    def variant(self) -> str:
        return self.first.spec.variant

    @property
    def done(self) -> list[Record]:
        return [r for r in self.records if r.status == "done"]

    def is_called(self, name: str) -> bool:
        """By its name, which outside predictions may be given without their mark."""
        return name in (
            self.name,
            self.name.removesuffix(MARK) if self.first.outside else self.name,
        )


@dataclass(frozen=True)
class Board:
    """One track. ``entries`` by name; which is better is not known here. ``metrics``: of its task,
    with the one that ranks.
    """

    track: Track
    metrics: TaskMetrics
    entries: tuple[Entry, ...]

    @property
    def kind(self) -> SpaceKind:
        return self.metrics.space.kind

    @property
    def folds(self) -> int:
        """How many the protocol has, 1 where it has none."""
        return fold_count(r for e in self.entries for r in e.records)

    @property
    def caveats(self) -> list[str]:
        return sorted(
            {f"{e.first.spec.model}: {e.first.caveat}" for e in self.entries if e.first.caveat}
        )


def collect(
    records: Iterable[Record],
    floors: Collection[str],
    dataset: str | None = None,
    track: str | None = None,
    registry: Registry = BUILT_IN,
) -> list[Board]:
    """The boards of these records, by title. ``floors``: names of models that are floors.
    ``track``: a part of the title. ``registry``: the metrics there are.
    """
    by_track: dict[str, list[list[Record]]] = {}
    for rows in group(records).values():
        first = rows[0].track
        if (dataset and first.dataset != dataset) or (
            track and track.lower() not in first.title.lower()
        ):
            continue
        by_track.setdefault(first.model_dump_json(), []).append(sorted(rows, key=_order))
    boards = []
    for groups in by_track.values():
        entries = [
            Entry(name, tuple(rows), rows[0].spec.model in floors)
            for name, rows in zip(names(groups), groups, strict=True)
        ]
        # A data set may rank by another metric than when its first runs were made.
        newest = max((r for rows in groups for r in rows), key=lambda r: (r.started, r.run_id))
        metrics = registry.of(newest.space.label_space(), newest.space.rank)
        boards.append(Board(newest.track, metrics, tuple(sorted(entries, key=lambda e: e.name))))
    return sorted(boards, key=lambda b: (b.track.title, b.track.model_dump_json()))


def _order(record: Record) -> tuple[int, int, str]:
    return record.seed, -1 if record.fold is None else record.fold, record.run_id


# --- names


def label(record: Record) -> str:
    """Model and variant; the name of outside predictions, marked as such."""
    if record.outside:
        return f"{record.spec.model}{MARK}"
    return f"{record.spec.model} {record.spec.variant}".strip()


def names(groups: Sequence[Sequence[Record]]) -> list[str]:
    """Model and variant; specs that share these are told apart by ``tuned``, by the settings in
    which they differ, or by their source.
    """
    plain = [label(rows[0]) for rows in groups]
    for tell in (_tuned, _settings, _source):
        for name in [name for name, count in Counter(plain).items() if count > 1]:
            alike = [i for i, other in enumerate(plain) if other == name]
            for i, words in zip(alike, tell([groups[i][0] for i in alike]), strict=True):
                plain[i] = f"{name} {words}".strip()
    return plain


def _tuned(records: Sequence[Record]) -> list[str]:
    """A search that went on may have found another winner: those of before tell after how many
    trials they were.
    """
    trials = [r.tuned_by.get("trials", 0) if r.tuned_by else None for r in records]
    most = max((t for t in trials if t is not None), default=None)
    told = [
        "untuned" if t is None else "tuned" if t == most else f"tuned (after {t} trials)"
        for t in trials
    ]
    return told if len(set(told)) > 1 else [""] * len(records)


def _source(records: Sequence[Record]) -> list[str]:
    return [f"(source {r.source_digest[:7]})" for r in records]


def _settings(records: Sequence[Record]) -> list[str]:
    """The fewest differing settings, in the order of the spec, that tell these apart."""
    flat = [
        flatten(
            r.spec.model_dump(
                mode="json", exclude={"model", "variant", "dataset", "task", "protocol"}
            )
        )
        for r in records
    ]
    chosen: list[str] = []
    found = [""] * len(records)
    for key in dict.fromkeys(key for settings in flat for key in settings):
        tried = [", ".join(_said(k, settings) for k in (*chosen, key)) for settings in flat]
        if len(set(tried)) > len(set(found)):
            chosen, found = [*chosen, key], tried
    return [f"({text})" if text else "" for text in found]


def _said(key: str, settings: Mapping[str, Any]) -> str:
    name = key.removeprefix("parts.").replace(".config.", ".").removesuffix(".name")
    return f"{name}={settings.get(key, 'none')}"


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys; whatever is no mapping is a leaf, lists as JSON."""
    if isinstance(value, Mapping):
        return {
            k: v
            for key, inner in value.items()
            for k, v in flatten(inner, f"{prefix}{key}.").items()
        }
    return {prefix.removesuffix("."): json.dumps(value) if isinstance(value, list) else value}
