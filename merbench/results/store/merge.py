"""Stores brought together: what was run elsewhere is checked, and copied where it is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import safe_open

from merbench.api.errors import RequestError
from merbench.api.first_line import typed
from merbench.results.files import write_atomic
from merbench.results.records.outside import digest as digest_of_predictions
from merbench.results.records.predictions import Predictions
from merbench.results.records.reading import UnreadableError
from merbench.results.records.record import Record
from merbench.results.records.sealed import check
from merbench.results.spec import canonical, run_id
from merbench.results.store.corrections import (
    REPLACED,
    Correction,
    digest,
    original,
    replaced_name,
)
from merbench.results.store.history import carry_over, read_corrections
from merbench.results.store.store import DAMAGE, Store


@dataclass(frozen=True)
class Merged:
    """What became of one run. ``conflict``: both stores have it, with other results; ``refused``:
    it is not whole or not what it says.
    """

    run_id: str
    how: Literal["copied", "there", "conflict", "refused"]
    why: str = ""


def merge(source: Path, into: Store) -> Iterator[Merged]:
    """Every run of the store ``source``, in the order of run ids; ``source`` is left as it is, and
    so is what ``into`` has done.

    May be stopped and called again. A done run goes before a failed one. RequestError where
    ``source`` is no store, or is ``into``.
    """
    if not any((source / name).is_dir() for name in ("runs", "tuning")):
        raise RequestError(
            f"{source} is not a store: it has neither a folder 'runs' nor one 'tuning'; "
            "name the folder that was --store"
        )
    if source.resolve() == into.root.resolve():
        raise RequestError(f"{source} is the store it is to be merged into; name another")
    source_store, theirs = Store(source), read_corrections(source)
    known = [*theirs, *read_corrections(into.root)]
    replaced = {name for c in theirs for name in (*c.old, *c.new) if REPLACED in name}
    for name in (
        *sorted(path.stem for path in source_store.runs.glob("*.json")),
        *sorted(replaced),
    ):
        yield _merge_run(name, source_store, into, theirs, known)
    carry_over(theirs, into)


def _merge_run(
    name: str,
    source: Store,
    into: Store,
    theirs: Sequence[Correction],
    known: Sequence[Correction],
) -> Merged:
    """``theirs``: the corrections of ``source``; ``known``: those of both."""
    try:
        record = _checked(source, name)
    except (*DAMAGE, OSError, UnreadableError) as error:
        return Merged(name, "refused", typed(error))
    try:
        here = into.get(name)
    except UnreadableError as error:
        return Merged(name, "refused", str(error))
    if here is None:
        _copy(source, into, record)
        return Merged(name, "copied")
    if here.status == "failed" and record.status == "done":
        _put(source, into, record, here)
        return Merged(name, "copied")
    reason = ""
    if "failed" not in (here.status, record.status):
        reason = difference(source.predictions(name), into.predictions(name), record, here)
    if not reason:
        _complete(name, here, record, source, into)
        return Merged(name, "there")
    if superseded_by(here, theirs):
        _put(source, into, record, here)
        return Merged(name, "copied", f"supersedes the one here: {reason}")
    if superseded_by(record, known):
        unite(here, record, into)
        return Merged(name, "there", "the one here supersedes it")
    return Merged(name, "conflict", reason)


def _complete(name: str, here: Record, record: Record, source: Store, into: Store) -> None:
    """What the same run has in ``source`` alone."""
    unite(here, record, into)
    weights = _weights(into, name)
    if record.weights_sha256 == here.weights_sha256 and not weights.is_file():
        _copy_file(_weights(source, name), weights)


def _put(source: Store, into: Store, record: Record, here: Record) -> None:
    """In the place of what is ``here``, in one step, so that a kill loses none of its tracks."""
    into.put(united(record, here), source.predictions(record.run_id))
    _copy_file(_weights(source, record.run_id), _weights(into, record.run_id))


def unite(kept: Record, other: Record, into: Store) -> None:
    """Make the ``kept`` record of ``into`` what ``united`` returns."""
    search = united(kept, other).tuned_by
    for track in other.tracks:
        kept = into.update(kept, search, track)


def united(kept: Record, other: Record) -> Record:
    """``kept``, with the tracks of the ``other`` record of the same run, and its search where that
    is the longer one: whichever of them was in the store first.
    """
    search = max(kept.tuned_by, other.tuned_by, key=_length_of_search)
    return kept.standing_on(other.tracks).model_copy(update={"tuned_by": search})


def _length_of_search(tuned_by: dict[str, Any] | None) -> tuple[float, float, str]:
    """By trials; where two searches have as many, by seconds, then by all that they say."""
    if tuned_by is None:
        return (-1, -1, "")
    return (tuned_by["trials"], tuned_by["seconds"], canonical(tuned_by))


def superseded_by(record: Record, corrections: Iterable[Correction]) -> Correction | None:
    """The correction by which another run of its id has taken its place, if there is one."""
    name, content = replaced_name(record), digest(record)
    return next((c for c in corrections if c.old.get(name) == content), None)


def _checked(store: Store, name: str) -> Record:
    """The record, when it and what stands beside it are whole and what they say they are."""
    record = store.read(name)
    if run_id(record.spec, record.contents, record.seed, record.fold) != original(name):
        raise ValueError("its name is not that of its spec, data, seed and fold")
    if REPLACED in name and name != replaced_name(record):
        raise ValueError("its name is not that of its content")
    if outside := record.outside:
        rows = store.predictions(name)
        if digest_of_predictions(rows.ids, rows.prediction) != outside.predictions_sha256:
            raise ValueError("its predictions are not those that were scored")
    weights = _weights(store, name)
    if weights.is_file():
        check(weights)
        with safe_open(weights, framework="numpy") as file:
            if (file.metadata() or {}).get("sha256") != record.weights_sha256:
                raise ValueError(f"the weights {weights} are those of another run")
    return record


def _copy(theirs: Store, into: Store, record: Record) -> None:
    """In the order in which a run is put: the record is the last."""
    name = record.run_id
    if record.status == "done":
        _copy_file(_weights(theirs, name), _weights(into, name))
        _copy_file(theirs.file(name, ".safetensors"), into.file(name, ".safetensors"))
    _copy_file(theirs.file(name, ".json"), into.file(name, ".json"))


def _copy_file(source: Path, target: Path) -> None:
    if source.is_file():
        write_atomic(target, source.read_bytes())


def _weights(store: Store, name: str) -> Path:
    return store.root / "weights" / f"{name}.safetensors"


def difference(a: Predictions, b: Predictions, record: Record, ours: Record) -> str:
    """Why two runs of one id (``a`` of ``record``, ``b`` of ``ours``) have other results; empty
    where they have not. When, where and how fast each ran may differ.
    """
    if list(a.ids) != list(b.ids) or not np.array_equal(a.target, b.target, equal_nan=True):
        return "other test rows or labels"
    if not np.array_equal(a.prediction, b.prediction):
        gap = float(np.abs(a.prediction - b.prediction).max())
        return (
            f"predictions differ by up to {gap:.2g} (made on {_made_on(record)} there, "
            f"on {_made_on(ours)} here)"
        )
    return "" if record.metrics == ours.metrics else "other metrics of the same predictions"


def _made_on(record: Record) -> str:
    p = record.provenance
    return (
        f"{p.get('device')} with torch {p.get('packages', {}).get('torch')}, "
        f"{p.get('threads')} threads"
    )
