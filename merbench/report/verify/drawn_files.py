"""A drawn file is what records and scores give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from merbench.report.folder.folder import Folder
from merbench.report.pictures.plots import CREATOR
from merbench.report.pictures.themes import DRAWN_BY
from merbench.report.site.site import common
from merbench.report.verify.failure import Failure


def verify_index(root: Path, folders: Sequence[Folder]) -> list[Failure]:
    """The list of all boards, and what their pages share; nothing where a board has no scores,
    which ``verify`` reports.
    """
    if any(folder.scores is None for folder in folders):
        return []
    files = common(folders)
    return [f for name, content in files.items() for f in outdated(root / name, content)]


def outdated(path: Path, content: bytes) -> Iterator[Failure]:
    """A failure if the file at ``path`` does not hold ``content``."""
    stored = path.read_bytes() if path.is_file() else b""
    # Another matplotlib draws the same picture with other bytes.
    other_matplotlib = (
        path.suffix == ".svg" and DRAWN_BY.encode() in stored and CREATOR.encode() not in stored
    )
    if stored != content and not other_matplotlib:
        yield Failure(
            path,
            "it is not what its records and scores give; "
            "merbench leaderboard render draws it again",
        )
