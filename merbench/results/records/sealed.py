"""safetensors files that carry a digest of all their own bytes, so that damage is noticed wherever
they are read.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

METADATA = "__metadata__"
KEY = "file_sha256"
RECORD = "record"
"""Of predictions: the key of the record that they belong to."""
_BLANK = "0" * 64
_BLOCK = 1 << 20
# Inside another value of the header each quotation mark has a backslash before it.
_DIGEST = re.compile(rb'"file_sha256":"(.{64})"', re.DOTALL)


class DamagedError(ValueError):
    """The bytes of a file are not those that were written."""


def seal(save: Callable[[dict[str, str]], bytes], metadata: Mapping[str, str]) -> bytes:
    """The file that ``save(metadata)`` makes, with the digest of its bytes in its metadata.

    The digest is taken while its own place holds zeros.
    """
    content = save({**metadata, KEY: _BLANK})
    place = _DIGEST.search(content, 0, 8 + _header_length(content))
    assert place is not None
    digest = sha256(content).hexdigest().encode()
    return content[: place.start(1)] + digest + content[place.end(1) :]


def require_file(path: Path) -> None:
    """DamagedError for a pipe, which would keep its reader waiting, a folder, or a link in a
    circle. FileNotFoundError where there is nothing, NotADirectoryError below a file.
    """
    if not path.is_file():
        path.lstat()
        raise DamagedError("it is no file")


def read_file(path: Path) -> bytes:
    """As ``require_file``."""
    require_file(path)
    return path.read_bytes()


def read_header(path: Path) -> dict[str, Any]:
    """Of a safetensors file: tensors by name, with ``shape``, and ``__metadata__``. DamagedError
    for one that was cut off; one of the errors of reading JSON for what is none.
    """
    require_file(path)
    with path.open("rb") as file:
        start = file.read(8)
        length = _header_length(start)
        header = parsed_header(file.read(length))
        ends = [about["data_offsets"][1] for name, about in header.items() if name != METADATA]
        if os.fstat(file.fileno()).st_size != len(start) + length + max(ends, default=0):
            raise DamagedError("its length is not the one in its header")
    return header


def parsed_header(header: bytes) -> dict[str, Any]:
    """Of thousands of runs on the same rows the long part, ids and videos, is parsed once: digests,
    which differ from file to file, are cut out before.
    """
    digests = {}
    for name in (KEY, RECORD):
        label = f'"{name}":"'.encode()
        start = header.find(label) + len(label)
        digest, end = header[start : start + 64], header[start + 64 : start + 65]
        if start >= len(label) and end == b'"' and digest.isalnum():
            digests[name] = digest.decode("ascii")
            header = header[:start] + header[start + 64 :]
    tensors = _parsed(header)
    return {**tensors, METADATA: {**tensors.get(METADATA, {}), **digests}}


@lru_cache(64)
def _parsed(header: bytes) -> dict[str, Any]:
    tensors: dict[str, Any] = json.loads(header)
    return tensors


def check_content(content: bytes, needed: bool = False) -> None:
    """``check`` of a file that was read."""
    place = _DIGEST.search(content, 0, 8 + _header_length(content))
    if place is None:
        if needed:
            raise DamagedError("it has no digest of itself")
        return
    digest = sha256(content[: place.start(1)] + _BLANK.encode())
    digest.update(memoryview(content)[place.end(1) :])
    if digest.hexdigest().encode() != place[1]:
        raise DamagedError("its bytes are not those that were written")


def check(path: Path, needed: bool = False) -> None:
    """DamagedError where the file is not what ``seal`` made. OSError where it cannot be read.

    A file from before there were digests passes, unless one is ``needed``.
    """
    require_file(path)
    with path.open("rb") as file:
        start = file.read(8)
        header = file.read(_header_length(start))
        place = _DIGEST.search(header)
        if place is None:
            if needed:
                raise DamagedError("it has no digest of itself")
            return
        digest = sha256(start)
        digest.update(header[: place.start(1)] + _BLANK.encode() + header[place.end(1) :])
        while block := file.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest().encode() != place[1]:
        raise DamagedError("its bytes are not those that were written")


def _header_length(start: bytes) -> int:
    """At most 100 MB, as safetensors itself allows."""
    return min(int.from_bytes(start[:8], "little"), 100_000_000)
