"""Whether anything of a store has changed, without reading it."""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

FOLDERS = ("runs", "replaced", "corrections")
"""What tables are made of."""


def listing_digest(root: Path) -> str:
    """Of the names, sizes and times of all files that tables of the store in ``root`` are made of:
    another one as soon as a file comes, goes or is written.
    """
    digest = sha256()
    for folder in FOLDERS:
        with suppress(FileNotFoundError), os.scandir(root / folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                about = entry.stat()
                line = f"{folder}/{entry.name} {about.st_size} {about.st_mtime_ns}\n"
                digest.update(os.fsencode(line))
    return digest.hexdigest()
