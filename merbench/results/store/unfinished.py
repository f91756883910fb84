"""What calls leave in ``checkpoints/`` until they are over: ``<run_id>.checkpoint``, where a run
stands, and ``<digest>.forced``, the runs of a call that makes finished ones again (``--force``).

The same forced call, given after a kill, goes on: it makes the runs whose records it has not
replaced yet, the first of them from its checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from merbench.api.declarations.config import Config
from merbench.results.files import write_atomic
from merbench.results.records.predictions import record_key
from merbench.results.records.record import Record
from merbench.results.records.sealed import read_file
from merbench.results.spec import canonical
from merbench.results.store.claims import Claims

STACK = "-stack"
"""After the run id in the name of a checkpoint of seeds that train together. It is that of the
seed which is recorded last."""


class _Forced(Config):
    runs: dict[str, str]
    """Run id -> the ``record_key`` of the finished record that is to be replaced, empty where there
    was none.
    """


def is_made(record: Record | None, replaced: str) -> bool:
    """True for the record of a finished run that is not the one to be replaced."""
    return record is not None and record.status == "done" and record_key(record) != replaced


@contextmanager
def forced(
    root: Path, run_ids: Sequence[str], source: str, find: Callable[[str], Record | None]
) -> Iterator[Mapping[str, str]]:
    """Around a call that makes the runs again: run id -> the ``record_key`` of the finished record
    that is to be replaced (as the interrupted call has it, where this is the same one), empty where
    there was none. ``source``: digest of the code that makes them. ``find``: the record of a run.
    """
    name = sha256(canonical([sorted(run_ids), source]).encode()).hexdigest()[:16]
    path = root / "checkpoints" / f"{name}.forced"
    replaced = _read(path)
    if not replaced:
        records = {run_id: find(run_id) for run_id in run_ids}
        replaced = {
            run_id: record_key(record) if record and record.status == "done" else ""
            for run_id, record in records.items()
        }
        if any(replaced.values()):
            for run_id in run_ids:
                for end in ("", STACK):
                    checkpoint_of(root, run_id + end).unlink(missing_ok=True)
            with suppress(OSError):  # as with a checkpoint: the runs go on without
                write_atomic(path, _Forced(runs=replaced).model_dump_json().encode())
    yield replaced
    path.unlink(missing_ok=True)


def checkpoint_of(root: Path, run_id: str) -> Path:
    return root / "checkpoints" / f"{run_id}.checkpoint"


def drop_finished(root: Path, find: Callable[[str], Record | None]) -> None:
    """What a process has left that was killed after its last record."""
    made_again = set[str]()
    for path in (root / "checkpoints").glob("*.forced"):
        left = {run_id for run_id, old in _read(path).items() if not is_made(find(run_id), old)}
        made_again |= left
        if not left:
            path.unlink(missing_ok=True)
    paths = list((root / "checkpoints").glob("*.checkpoint"))
    held = Claims(root).held() if paths else {}
    for path in paths:
        run_id = path.stem.removesuffix(STACK)
        if run_id not in made_again and run_id not in held and is_made(find(run_id), ""):
            path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, str]:
    """Empty where there is none, or it is damaged."""
    try:
        return _Forced.model_validate_json(read_file(path)).runs
    except (OSError, ValueError):
        return {}
