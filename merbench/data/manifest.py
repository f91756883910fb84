"""``manifest.json`` of a data set that was added: its files with SHA-256 and size, where they came from, what was counted.

It lets a run start without reading every value: the content of a stream file is known by its checksum, and so are its counts. A file that
is newer than the manifest, or of another size, is hashed again; where it was changed, what the manifest says of it no longer holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from merbench.api.errors import DataError
from merbench.results.files import write_atomic

FILE = "manifest.json"
_CHUNK = 2**22


class FileFacts(BaseModel):
    """``bytes``: its size."""

    bytes: int
    sha256: str


class StreamFacts(BaseModel):
    """``rows``: of the table; ``missing``: without a step; ``not_finite``: values of real steps that are NaN or infinite."""

    file: str
    rows: int
    missing: int
    steps: int
    not_finite: int = 0


class Origin(BaseModel):
    """One source that was added. ``rows`` it has = ``taken`` + the number of ``refused`` (name -> why)."""

    form: str
    options: dict[str, Any] = {}
    files: dict[str, FileFacts] = {}
    links: dict[str, str] = {}
    streams: list[str] = []
    rows: int = 0
    taken: int = 0
    refused: dict[str, str] = {}
    notes: list[str] = []


class Manifest(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    number: int = Field(1, alias="manifest")
    name: str
    files: dict[str, FileFacts] = {}
    streams: dict[str, StreamFacts] = {}
    sources: list[Origin] = []

    def write(self, folder: Path) -> None:
        text = json.dumps(self.model_dump(by_alias=True, mode="json"), indent=1, ensure_ascii=False)
        write_atomic(folder / FILE, text.encode() + b"\n")

    def holds(self, folder: Path, name: str) -> bool:
        """Whether the folder's file ``name`` is what the manifest says."""
        path, facts = folder / name, self.files.get(name)
        if facts is None:
            return False
        try:
            found = path.stat()
        except OSError:
            return False
        if found.st_size != facts.bytes:
            return False
        return found.st_mtime_ns <= (folder / FILE).stat().st_mtime_ns or sha256_of(path) == facts.sha256


def read_manifest(folder: Path) -> Manifest | None:
    """None where there is none. DataError for one that cannot be read."""
    path = folder / FILE
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        why = getattr(error, "strerror", None) or "not as merbench writes it"
        raise DataError(f"{path} cannot be read ({why}); add the data set again, or take the file out") from None
    if manifest.number != 1:
        raise DataError(f"{path} is of version {manifest.number}, and this merbench reads 1; install a newer merbench")
    return manifest


def facts_of(path: Path) -> FileFacts:
    return FileFacts(bytes=path.stat().st_size, sha256=sha256_of(path))


def sha256_of(path: Path, watch: Callable[[int], None] = lambda read: None) -> str:
    """Of a file's bytes. ``watch(n)`` is told how many were read."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_CHUNK):
            digest.update(block)
            watch(len(block))
    return digest.hexdigest()
