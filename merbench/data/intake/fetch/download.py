"""Download attempts: resumed where the server can, retried with a growing pause."""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from merbench.api.errors import DataError, RunError
from merbench.data.intake.fetch.hdf5 import SIGNATURE
from merbench.results.files import write_atomic
from merbench.results.records.sealed import read_file

Watch = Callable[[str, int, int], None]
"""Called with what is being done, the bytes that are here, and the bytes there will be (0 = the
server does not say).
"""
_CHUNK = 2**18
_FINAL_CODES = {400, 401, 403, 404, 405, 410, 451}


@dataclass(frozen=True)
class Patience:
    """``timeout``: seconds without a byte. ``tries``: in a row that bring nothing new. ``pause``:
    seconds before the next, then doubled.
    """

    timeout: float = 20.0
    tries: int = 5
    pause: float = 1.0


class RetryableError(Exception):
    """This attempt failed, and another may succeed; the text says why."""


class PartialFile:
    """What is here already, and of which version of the file."""

    def __init__(self, path: Path, url: str) -> None:
        self.path, self.about_path = path, path.with_name(path.name + ".json")
        self.about: dict[str, Any] = {}
        try:
            about = json.loads(read_file(self.about_path))
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


def download(part: PartialFile, url: str, watch: Watch, patience: Patience) -> None:
    """Try until the part is whole; the pause grows while no try brings anything."""
    name = url.rsplit("/", 1)[-1]
    failed_in_a_row, most_bytes = 0, part.size
    while True:
        try:
            _attempt(part, url, watch, patience.timeout)
            return
        except RetryableError as error:
            reason = str(error)
        failed_in_a_row = 0 if part.size > most_bytes else failed_in_a_row + 1
        most_bytes = max(most_bytes, part.size)
        if failed_in_a_row >= patience.tries:
            advice = f"; {part.size:,} bytes are here, and the same command continues from there"
            raise RunError(
                f"{name} could not be fetched from {url} in {patience.tries} tries ({reason})"
                f"{advice if part.size else ''}; the server is often down: "
                "try again later, or give --mirror URL"
            )
        watch(f"{name}: {reason}; trying again", part.size, int(part.about.get("size", 0)))
        time.sleep(patience.pause * 2 ** max(0, failed_in_a_row - 1))


def _attempt(part: PartialFile, url: str, watch: Watch, timeout: float) -> None:
    name = url.rsplit("/", 1)[-1]
    n_bytes = part.size if part.version else 0
    headers = {"User-Agent": "merbench", "Accept-Encoding": "identity"}
    if n_bytes:
        headers |= {"Range": f"bytes={n_bytes}-", "If-Range": part.version}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=timeout
        ) as answer:
            size = _start_or_resume(part, url, n_bytes, answer.status, answer.headers)
            _receive(part, name, answer, size, watch)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is as long as the file, or the file has changed
            if n_bytes and error.headers.get("Content-Range", "").rpartition("/")[2] == str(
                n_bytes
            ):
                return
            part.restart({"url": url})
            raise RetryableError("the server refused to go on") from None
        if error.code in _FINAL_CODES:
            raise RunError(
                f"{url} is not to be had (HTTP {error.code} {error.reason}); "
                "ask its owners, or give --mirror URL"
            ) from None
        raise RetryableError(f"HTTP {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise RetryableError(f"the server is out of reach: {_reason(error.reason)}") from None
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise RetryableError(_reason(error)) from None


def _start_or_resume(
    part: PartialFile, url: str, n_bytes: int, status: int, headers: Message
) -> int:
    """Where the server can resume, keep the part, else start it over. Returns the size of the whole
    file, 0 = not said.
    """
    size = _stated(headers.get("Content-Length", ""))
    if n_bytes and status == 206:
        first, _, total = headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        same = part.version in (headers.get("ETag", part.version), headers.get("Last-Modified"))
        if same and first.split("-")[0] == str(n_bytes):
            return _stated(total) or (n_bytes + size if size else 0)
    if status == 206:
        part.restart({"url": url})
        raise RetryableError("the server sent another part than was asked for")
    tag = headers.get("ETag", "")
    version = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
    part.restart({"url": url, "version": version, "size": size})
    free = shutil.disk_usage(part.path.parent).free
    if size > free:
        part.drop()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return size


def _stated(header: str) -> int:
    """Bytes that a header says, 0 = none; ``isdigit`` knows digits that ``int`` refuses."""
    return int(header) if re.fullmatch("[0-9]{1,18}", header) else 0


def _receive(
    part: PartialFile, name: str, answer: http.client.HTTPResponse, size: int, watch: Watch
) -> None:
    n_bytes = part.size
    resumed = f", resuming at {n_bytes / 1e6:,.1f} MB" if n_bytes else ""
    with part.path.open("ab") as file:
        while chunk := _next_chunk(answer):
            if not file.tell():
                _check_signature(part, chunk, answer)
            file.write(chunk)
            watch(f"{name}{resumed}", file.tell(), size)
        file.flush()
        os.fsync(file.fileno())
    if size and part.size < size:
        raise RetryableError("the connection broke off")
    if size and part.size > size:
        part.restart({"url": answer.url})
        raise RetryableError("the server sent more than it said")


def _next_chunk(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read1(_CHUNK)
    except (http.client.HTTPException, OSError) as error:
        raise RetryableError(_reason(error)) from None


def _check_signature(part: PartialFile, chunk: bytes, answer: http.client.HTTPResponse) -> None:
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


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
