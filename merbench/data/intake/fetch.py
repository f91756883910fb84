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
import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from merbench.api.errors import DataError, RunError
from merbench.data.intake.hdf5 import SIGNATURE, promised_size
from merbench.results.files import write_atomic

Watch = Callable[[str, int, int], None]
"""Told what is being done, the bytes that are here, and the bytes there will be (0 = the server
does not say).
"""
_CHUNK = 2**18
_FATAL = {400, 401, 403, 404, 405, 410, 451}


@dataclass(frozen=True)
class Patience:
    """``timeout``: seconds without a byte. ``tries``: in a row that bring nothing new. ``pause``:
    seconds before the next, then doubled.
    """

    timeout: float = 20.0
    tries: int = 5
    pause: float = 1.0


class _Again(Exception):
    """This attempt failed and another may not; the text says why."""


def fetch(url: str, folder: Path, watch: Watch, patience: Patience = Patience()) -> bool:
    """``url`` into ``folder`` under its last name; False where it was there. HDF5 files only.

    RunError where the server cannot be reached or does not have it, DataError where what it sends,
    or what is here, is not what it was.
    """
    name = url.rsplit("/", 1)[-1]
    target = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / f".{name}.lock", watch):
            if target.exists():
                _same(target, _sha256(target, watch))
                if lacking := _lacking(target):
                    raise DataError(
                        f"{target} is not whole ({lacking}); "
                        "delete it, and give the same command again"
                    )
                return False
            part = _Part(folder / f".{name}.part", url)
            _persist(part, url, watch, patience)
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


class _Part:
    """What is here already, and of which version of the file."""

    def __init__(self, path: Path, url: str) -> None:
        self.path, self.about_path = path, path.with_name(path.name + ".json")
        self.about: dict[str, Any] = {}
        try:
            about = json.loads(self.about_path.read_text())
            if isinstance(about, dict) and about.get("url") == url:
                self.about = about
        except (OSError, ValueError):
            pass

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def version(self) -> str:
        """A strong validator, with which a server can tell whether the file is still the same;
        empty where it gave none.
        """
        return str(self.about.get("version", ""))

    def restart(self, about: dict[str, Any]) -> None:
        self.path.write_bytes(b"")
        self.about = about
        write_atomic(self.about_path, json.dumps(about).encode())

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.about_path.unlink(missing_ok=True)


def _persist(part: _Part, url: str, watch: Watch, patience: Patience) -> None:
    """Try until the part is whole; the pause grows while no try brings anything."""
    name, failed, most = url.rsplit("/", 1)[-1], 0, part.size
    while True:
        try:
            _attempt(part, url, watch, patience.timeout)
            return
        except _Again as error:
            why = str(error)
        failed, most = 0 if part.size > most else failed + 1, max(most, part.size)
        if failed >= patience.tries:
            here = (
                f"; {part.size:,} bytes are here, and the same command continues from there"
                if part.size
                else ""
            )
            raise RunError(
                f"{name} could not be fetched from {url} in {patience.tries} tries ({why}){here}; "
                "the server is often down: "
                "try again later, or give --mirror URL"
            )
        watch(f"{name}: {why}; trying again", part.size, int(part.about.get("size", 0)))
        time.sleep(patience.pause * 2 ** max(0, failed - 1))


def _attempt(part: _Part, url: str, watch: Watch, timeout: float) -> None:
    name, have = url.rsplit("/", 1)[-1], part.size if part.version else 0
    headers = {"User-Agent": "merbench", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": part.version}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=timeout
        ) as answer:
            size = _begin(part, url, have, answer.status, answer.headers)
            _receive(part, name, answer, size, watch)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is as long as the file, or the file has changed
            if have and error.headers.get("Content-Range", "").rpartition("/")[2] == str(have):
                return
            part.restart({"url": url})
            raise _Again("the server refused to go on") from None
        if error.code in _FATAL:
            raise RunError(
                f"{url} is not to be had (HTTP {error.code} {error.reason}); "
                "ask its owners, or give --mirror URL"
            ) from None
        raise _Again(f"HTTP {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise _Again(f"the server is out of reach: {_reason(error.reason)}") from None
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _Again(_reason(error)) from None


def _begin(part: _Part, url: str, have: int, status: int, headers: Message) -> int:
    """Where the server can resume, keep the part, else start it over. Returns the size of the whole
    file, 0 = not said.
    """
    length = headers.get("Content-Length", "")
    size = int(length) if length.isdigit() else 0
    if have and status == 206:
        first, _, total = headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        same = part.version in (headers.get("ETag", part.version), headers.get("Last-Modified"))
        if same and first.split("-")[0] == str(have):
            return int(total) if total.isdigit() else have + size
    if status == 206:
        part.restart({"url": url})
        raise _Again("the server sent another part than was asked for")
    tag = headers.get("ETag", "")
    version = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
    part.restart({"url": url, "version": version, "size": size})
    free = shutil.disk_usage(part.path.parent).free
    if size > free:
        part.drop()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return size


def _receive(
    part: _Part, name: str, answer: http.client.HTTPResponse, size: int, watch: Watch
) -> None:
    have = part.size
    resumed = f", going on at {have / 1e6:,.1f} MB" if have else ""
    with part.path.open("ab") as file:
        while chunk := _read(answer):
            if not file.tell():
                _look(part, chunk, answer)
            file.write(chunk)
            watch(f"{name}{resumed}", file.tell(), size)
        file.flush()
        os.fsync(file.fileno())
    if size and part.size < size:
        raise _Again("the connection broke off")
    if size and part.size > size:
        part.restart({"url": answer.url})
        raise _Again("the server sent more than it said")


def _read(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read1(_CHUNK)
    except (http.client.HTTPException, OSError) as error:
        raise _Again(_reason(error)) from None


def _look(part: _Part, chunk: bytes, answer: http.client.HTTPResponse) -> None:
    """The first bytes tell whether this is what was asked for: a server that is down may answer
    with a page.
    """
    if chunk[: len(SIGNATURE)] == SIGNATURE[: len(chunk)]:
        return
    kind = answer.headers.get("Content-Type", "").partition(";")[0] or "something else"
    start = " ".join(chunk[:200].decode("utf-8", "replace").split())[:60]
    part.drop()
    raise DataError(
        f"{answer.url} sent {kind} ({start!r} ...) in place of an HDF5 file; "
        "look at it in a browser, or give --mirror URL"
    )


def _finish(part: _Part, target: Path, watch: Watch) -> None:
    if lacking := _lacking(part.path):
        part.drop()
        raise DataError(
            f"{target.name}: what the server sent is damaged ({lacking}); try again later"
        )
    digest = _sha256(part.path, watch)
    _same(target, digest)
    write_atomic(_recorded(target), f"{digest}  {target.name}\n".encode())
    part.path.replace(target)
    part.drop()
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lacking(path: Path) -> str:
    """What a file has of an HDF5 file; empty where it has all."""
    size, promised = path.stat().st_size, promised_size(path)
    return (
        f"{size:,} bytes of an HDF5 file of {promised or 0:,}"
        if promised is None or size < promised
        else ""
    )


def _recorded(target: Path) -> Path:
    return target.with_name(target.name + ".sha256")


def _same(target: Path, digest: str) -> None:
    """Trust on first use: what was recorded then must hold from then on."""
    recorded = _recorded(target)
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
def _alone(path: Path, watch: Watch) -> Iterator[None]:
    """One process at a time; a second waits and then finds the file there."""
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            watch(f"{path.name[1:-5]}: another process is fetching it", 0, 0)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
