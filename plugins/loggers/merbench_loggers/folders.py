"""Folders for logs, made when the first entry is written: a request that is refused leaves none."""

from __future__ import annotations

import os
from pathlib import Path

from merbench.api import RequestError


def folder_to_be(where: str) -> Path:
    """RequestError where it could not be made."""
    folder = Path(where).absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        raise RequestError(f"{existing} is a file, so that {folder} cannot be a folder of logs")
    if not os.access(existing, os.W_OK):
        raise RequestError(f"nothing can be written in {existing}; name another folder for logs")
    return folder
