"""Pictures that were drawn once from the same numbers are not drawn again: matplotlib takes longer
than all else that is drawn of a board.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import matplotlib

from merbench.results.files import sweep
from merbench.results.records.sealed import DamagedError
from merbench.results.sealed_cache import read_sealed, write_sealed

PACKAGE = Path(__file__).parents[2]
MOST = 2000
"""Pictures; some 40 MB. Beyond these the older half goes."""


class KeptPictures:
    """SVG files under the hash of all that decides them.

    ``folder`` None keeps nothing; one that cannot be written, or a file that is damaged, costs time
    and nothing else.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        # Now, so that processes that are forked from this one have it.
        self._drawer = _drawer() if folder else ()

    def drawn(self, draw: Callable[..., bytes], *numbers: Any) -> bytes:
        """``draw(*numbers)``: a function of this package, and plain values."""
        if self._folder is None:
            return draw(*numbers)
        deciding = repr((self._drawer, draw.__module__, draw.__name__, numbers))
        file = self._folder / f"{sha256(deciding.encode()).hexdigest()}.svg"
        with suppress(OSError, DamagedError):
            return read_sealed(file)
        svg = draw(*numbers)
        with suppress(OSError):
            self._make_room(self._folder)
            write_sealed(file, svg)
        return svg

    def _make_room(self, folder: Path) -> None:
        sweep(folder)
        files = list(folder.glob("*.svg"))
        if len(files) >= MOST:
            for file in sorted(files, key=lambda file: file.stat().st_mtime)[: MOST // 2]:
                file.unlink(missing_ok=True)


def _drawer() -> tuple[str, str]:
    """Merbench's source, and matplotlib's version. Byte by byte, where ``code_digest`` would parse
    all of it.
    """
    source = sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        source.update(file.read_bytes())
    return source.hexdigest(), matplotlib.__version__
