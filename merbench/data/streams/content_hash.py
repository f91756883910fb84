"""What stands for the content of a stream's rows, so that equal content is known again wherever it
lies.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from merbench.api.material.corpus import Stream
from merbench.results.files import sweep
from merbench.results.sealed_cache import read_sealed, write_sealed

KEPT = ("strings", "clip")
"""Kinds of streams whose rows have contents that are known again."""


def row_contents(
    stream: Stream, known: Known, rows: Iterable[int] | None = None
) -> list[str | None]:
    """A hash for each of ``rows`` (None = all) of a ``strings`` or ``clip`` stream: of its text, or
    of its file's bytes. None = missing.
    """
    contents: list[str | None] = []
    for row in range(len(stream.length)) if rows is None else rows:
        value = str(stream.values[row])
        if not stream.length[row]:
            contents.append(None)
        elif stream.kind == "clip":
            contents.append(known.sha256(Path(value)))
        else:
            contents.append(hashlib.sha256(value.encode()).hexdigest())
    known.save()
    return contents


class Known:
    """Hashes of files in a JSON table: a file is read again only when its size or a time of change
    is another, as in git's index. Both times: files out of an archive often have one and the same
    time of modification.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.changed = path, False
        try:
            self.table: dict[str, list[Any]] = json.loads(read_sealed(path))
        except (OSError, ValueError):
            self.table = {}

    def sha256(self, path: Path) -> str:
        """``unreadable`` where the file cannot be read, as the decoder will find too."""
        try:
            status = path.stat()
            stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
            if (known := self.table.get(str(path))) is None or known[:-1] != stamp:
                with path.open("rb") as file:
                    known = [*stamp, hashlib.file_digest(file, "sha256").hexdigest()]
                self.table[str(path)] = known
                self.changed = True
        except OSError:
            return "unreadable"
        return str(known[-1])

    def save(self) -> None:
        """A table that cannot be written costs time, not truth."""
        if self.changed:
            try:
                sweep(self.path.parent)
                write_sealed(self.path, json.dumps(self.table).encode())
            except OSError:
                return
