"""The history of a store: corrections, and runs that were made again under their own id."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable
from pathlib import Path

from merbench.api.errors import RequestError
from merbench.api.first_line import first_line
from merbench.results.files import write_atomic
from merbench.results.records.record import Record
from merbench.results.records.sealed import require_file
from merbench.results.store.corrections import REPLACED, Correction, digest
from merbench.results.store.store import Store

FOLDER = "corrections"


def read_corrections(
    root: Path, warn: Callable[[str], object] = lambda sentence: None
) -> list[Correction]:
    """Those of the store in ``root``, in the order of their ids. ``warn`` is called for each that
    cannot be read.
    """
    readable = []
    for path in sorted((root / FOLDER).glob("*.json")):
        try:
            require_file(path)
            correction = Correction.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            reason = first_line(error)
            warn(f"left out: the correction {path} cannot be read: {reason}")
            continue
        readable.append(correction)
    return readable


def write_correction(root: Path, correction: Correction) -> None:
    """RequestError where it cannot be written."""
    path = root / FOLDER / f"{correction.id}.json"
    try:
        write_atomic(path, as_file(correction))
    except OSError as error:
        raise RequestError(
            f"{path} could not be written ({error.strerror}); make room and try again"
        ) from error


def carry_over(corrections: Iterable[Correction], into: Store) -> None:
    """Write those whose runs are all in ``into``, as they were when the correction was made."""
    for correction in corrections:
        renamed = {**correction.old, **correction.new}
        records = {name: into.get(name) for name in renamed}
        if all(r is not None and digest(r) == renamed[name] for name, r in records.items()):
            write_correction(into.root, correction)


def as_file(correction: Correction) -> bytes:
    return correction.model_dump_json(indent=1).encode() + b"\n"


def replaced_runs(store: Store, run_id: str) -> list[Record]:
    """The finished runs that were made again under this id, from the oldest on."""
    names = [
        path.stem
        for path in (store.root / "replaced").glob(f"{glob.escape(run_id)}{REPLACED}*.json")
    ]
    records = [store.get(name) for name in sorted(names)]
    return sorted((record for record in records if record), key=lambda r: (r.started, r.run_id))
