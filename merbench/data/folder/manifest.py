"""``manifest.json`` of a data set that was added: its files with SHA-256 and size, where they came
from, what was counted.

It lets a run start without reading every value: the content of a stream file is known by its
checksum, and so are its counts. A file that was written or put there after the manifest, or has
another size, is hashed again; what the manifest says of a changed one no longer holds.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from merbench.api.errors import DataError
from merbench.results.files import write_atomic
from merbench.results.records.sealed import read_file

FILE = "manifest.json"
_CHUNK = 2**22


class FileFacts(BaseModel):
    """``bytes``: its size."""

    bytes: int
    sha256: str


class StreamFacts(BaseModel):
    """``rows``: of the table; ``missing``: without a step; ``not_finite``: values of real steps
    that are NaN or infinite.
    """

    file: str
    rows: int
    missing: int
    steps: int
    not_finite: int = 0


class Origin(BaseModel):
    """One source that was added. ``rows`` it has = ``taken`` + the number of ``refused`` (name ->
    why).
    """

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

    def holding(self, folder: Path, names: Iterable[str]) -> set[str]:
        """Those of the folder's files ``names`` that are what the manifest says.

        Where all are, the manifest is dated to the newest, so that a copy of a folder is hashed
        once.
        """
        known, came = (
            {name: self.files[name] for name in names if name in self.files},
            dict[str, int](),
        )
        for name, facts in known.items():
            with suppress(OSError):
                status = (folder / name).stat()
                if status.st_size == facts.bytes:
                    came[name] = max(
                        status.st_mtime_ns, status.st_ctime_ns
                    )  # an older file may be moved there
        written_ns = (folder / FILE).stat().st_mtime_ns if came else 0
        newer = {name for name, when in came.items() if when > written_ns}
        changed = {name for name in newer if sha256_of(folder / name) != known[name].sha256}
        if newer and not changed and came.keys() == known.keys():
            with suppress(OSError):
                os.utime(folder / FILE, ns=(written_ns, max(came.values())))
        return came.keys() - changed


def read_manifest(folder: Path) -> Manifest | None:
    """None where there is none. DataError for one that cannot be read."""
    path = folder / FILE
    try:
        manifest = Manifest.model_validate_json(read_file(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not as merbench writes it"
        raise DataError(
            f"{path} cannot be read ({reason}); add the data set again, or take the file out"
        ) from None
    if manifest.number != 1:
        raise DataError(
            f"{path} is of version {manifest.number}, and this merbench reads 1; "
            "install a newer merbench"
        )
    return manifest


def facts_of(path: Path) -> FileFacts:
    return FileFacts(bytes=path.stat().st_size, sha256=sha256_of(path))


def sha256_of(path: Path, watch: Callable[[int], None] = lambda read: None) -> str:
    """Of a file's bytes. ``watch(n)``: n were read."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_CHUNK):
            digest.update(block)
            watch(len(block))
    return digest.hexdigest()
