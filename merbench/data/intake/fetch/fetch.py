"""Files from a server that is often slow, down or wrong: resumed, retried, checked, and seen whole
or not at all.

Beside ``NAME`` stand ``NAME.sha256`` (what it was when it was first fetched), and while it is on
its way ``.NAME.part`` and ``.NAME.part.json``, which says of which version of the file the part is
(RFC 9110, sections 13.1.5 and 14).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from merbench.api.errors import DataError, RunError
from merbench.data.intake.fetch.download import PartialFile, Patience, Watch, download
from merbench.data.intake.fetch.hdf5 import promised_size
from merbench.results.files import sweep, write_atomic


def fetch(url: str, folder: Path, watch: Watch, patience: Patience | None = None) -> bool:
    """``url`` into ``folder`` under its last name; False where it was there. HDF5 files only.

    RunError where the server cannot be reached or does not have it, DataError where what it sends,
    or what is here, is not what it was.
    """
    name = url.rsplit("/", 1)[-1]
    target = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f".{name}.lock", watch):
            sweep(folder)
            part = PartialFile(folder / f".{name}.part", url)
            if target.exists():
                _check_digest(target, _sha256(target, watch))
                if problem := _missing_part(target):
                    raise DataError(
                        f"{target} is not whole ({problem}); "
                        "delete it, and give the same command again"
                    )
                part.drop()  # of a call that was killed when it was done
                return False
            download(part, url, watch, patience or Patience())
            _finish(part, target, watch)
            return True
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(
                f"{name}: the disk of {folder} is full; "
                "make room and give the same command again, which resumes there"
            ) from None
        raise RunError(
            f"{name} cannot be written in {folder} ({error.strerror or error}); "
            "fix that, or name another folder with --to"
        ) from None


def _finish(part: PartialFile, target: Path, watch: Watch) -> None:
    if problem := _missing_part(part.path):
        part.drop()
        raise DataError(
            f"{target.name}: what the server sent is damaged ({problem}); try again later"
        )
    digest = _sha256(part.path, watch)
    _check_digest(target, digest)
    write_atomic(_digest_file(target), f"{digest}  {target.name}\n".encode())
    part.path.replace(target)
    part.drop()
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _missing_part(path: Path) -> str:
    """What a file has of an HDF5 file; empty where it has all."""
    size, promised = path.stat().st_size, promised_size(path)
    return (
        f"{size:,} bytes of an HDF5 file of {promised or 0:,}"
        if promised is None or size < promised
        else ""
    )


def _digest_file(target: Path) -> Path:
    return target.with_name(target.name + ".sha256")


def _check_digest(target: Path, digest: str) -> None:
    """Trust on first use: what was recorded then must hold from then on."""
    recorded = _digest_file(target)
    if not recorded.exists():
        return
    first = recorded.read_text(encoding="utf-8", errors="replace").split()
    if first[:1] != [digest]:
        raise DataError(
            f"{target.name} has the SHA-256 {digest[:16]}..., "
            f"and when it was first fetched {recorded} noted {''.join(first[:1])[:16]}...; "
            f"delete {recorded.name} to accept the new one, or {target.name} to fetch it again"
        )


def _sha256(path: Path, watch: Watch) -> str:
    watch(f"{path.name.removeprefix('.').removesuffix('.part')}: checksum", 0, 0)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(path: Path, watch: Watch) -> Iterator[None]:
    """One process at a time; a second waits and then finds the file there."""
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            watch(f"{path.name[1:-5]}: another process is fetching it", 0, 0)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
