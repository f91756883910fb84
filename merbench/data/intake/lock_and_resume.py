"""One call of data add: a lock, and whether what an interrupted call left is of the same job."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from merbench.api.dataset_forms import Source
from merbench.api.errors import RequestError
from merbench.data.folder.manifest import Origin
from merbench.data.intake.rows.source import Described
from merbench.results.files import is_temporary, remove, write_atomic
from merbench.version import VERSION

JOB = "job.json"


def job_of(source: Source, origin: Origin, existing: Described | None) -> dict[str, Any]:
    """What is being added, to what, and by which merbench: another may read a source otherwise."""
    option_paths = [Path(v).expanduser() for v in origin.options.values() if isinstance(v, str)]
    files = [source.path, *(path for path in option_paths if path.is_file())]
    ids = "\0".join(existing.table.ids) if existing else ""
    return {
        "version": VERSION,
        "form": origin.form,
        "options": origin.options,
        "source": [_fingerprint(path) for path in files],
        "rows": hashlib.sha256(ids.encode()).hexdigest() if existing else "",
    }


def start_job(work: Path, job: dict[str, Any]) -> None:
    """Go on with what is in ``work`` if it is this job, else begin anew; while ``alone``."""
    path, text = work / JOB, json.dumps(job, indent=1, sort_keys=True, default=str)
    if path.exists() and path.read_text() == text:
        # Of a call that was killed while it wrote: they would be shown with the rest of the bundle.
        for left in filter(is_temporary, list(work.rglob(".*.tmp"))):
            left.unlink()
        return
    path.unlink(missing_ok=True)  # first: a kill would leave half of a job that could be resumed
    for old in work.iterdir():
        if old.name != "lock":
            remove(old)
    write_atomic(path, text.encode())


def end_job(work: Path) -> None:
    """Remove ``work``, whose job is done or refused."""
    with suppress(OSError):  # what is left belongs to no job, and the next call removes it
        (work / JOB).unlink(missing_ok=True)  # first, as above
        shutil.rmtree(work)


def _fingerprint(path: Path) -> str:
    """Tells whether a source is as it was: name, size and time of each of its files."""
    path = path.resolve()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0".encode(errors="replace"))
    return digest.hexdigest()


@contextmanager
def alone(work: Path, name: str) -> Iterator[None]:
    """RequestError where another process is adding to the same data set."""
    with (work / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RequestError(
                f"another merbench data add is writing {name}; wait for it to end"
            ) from None
        yield
