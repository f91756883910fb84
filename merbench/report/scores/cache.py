"""What was computed once from the same content is not computed again: JSON files that name the
content.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

from merbench.api.declarations.config import Config
from merbench.results.code_digest import code_digest
from merbench.results.files import sweep
from merbench.results.sealed_cache import read_sealed, write_sealed

Kept = TypeVar("Kept", bound=Config)


def version(formulas: Sequence[str] = (), kept: Path | None = None) -> str:
    """Changes with the code of whatever computes scores, so that no result outlives its formula.
    ``formulas``: further modules that do, such as those of plugins' metrics. ``kept``: as of
    ``code_digest``.
    """
    return _version(tuple(formulas), kept)


@cache
def _version(formulas: tuple[str, ...], kept: Path | None) -> str:
    return code_digest(["merbench.report.scores.board.board_scores", *formulas], kept)


class Cache:
    """``folder`` None keeps nothing. A folder that cannot be written, or a file that cannot be
    read, costs time and nothing else. ``parsed_code``: where ``code_digest`` finds what another
    process parsed.
    """

    def __init__(self, folder: Path | None, parsed_code: Path | None = None) -> None:
        self.folder, self.parsed_code = folder, parsed_code
        if folder is not None:
            sweep(folder)

    def get(self, key: str, kind: type[Kept], make: Callable[[], Kept]) -> Kept:
        """The result under ``key``, a hash of all that decides it; made where it is not there."""
        kept = self.read(key, kind)
        if kept is None:
            kept = make()
            self.write(key, kept)
        return kept

    def read(self, name: str, kind: type[Kept]) -> Kept | None:
        if self.folder is not None:
            with suppress(OSError, ValueError):
                return kind.model_validate_json(read_sealed(self.folder / f"{name}.json"))
        return None

    def write(self, name: str, value: Config) -> None:
        if self.folder is not None:
            with suppress(OSError):
                write_sealed(self.folder / f"{name}.json", value.model_dump_json().encode())
