"""Files of caches: what is read is what was written under that name."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from merbench.results.files import write_atomic
from merbench.results.records.sealed import DamagedError, read_file


def write_sealed(path: Path, content: bytes) -> None:
    """As ``write_atomic``; the first line is a digest of the name and the content."""
    write_atomic(path, _digest(path, content) + b"\n" + content)


def read_sealed(path: Path) -> bytes:
    """OSError where there is none, DamagedError where it is another file, or was changed."""
    digest, _, content = read_file(path).partition(b"\n")
    if digest != _digest(path, content):
        raise DamagedError("its bytes are not those that were written")
    return content


def _digest(path: Path, content: bytes) -> bytes:
    return sha256(path.name.encode() + b"\0" + content).hexdigest().encode()
