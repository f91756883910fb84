"""The folder of a store: writable, and the same one from the first use to the last."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

from merbench.api.errors import RequestError
from merbench.results.files import missing_folders, remove_empty, sweep

SWEPT = (
    "runs", "weights", "checkpoints", "claims", "pending", "replaced", "corrections", "studies",
    "tuning",
)  # fmt: skip
"""Folders of a store in which a killed process may have left a temporary file."""
_Identity = tuple[int, int] | None
"""Which folder a path leads to; None where it leads to none."""


def _identity(folder: Path) -> _Identity:
    try:
        about = folder.stat()
    except FileNotFoundError:
        return None
    return about.st_dev, about.st_ino


class RootFolder:
    """The folder at ``path``, which need not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._missing: list[Path] = []
        """Folders that were not there at the first use, the deepest first."""
        self._first_use: tuple[Path, _Identity] | None = None
        """The folder that the store is or will be in, and which one it was at the first use."""

    def __reduce__(self) -> tuple[type[RootFolder], tuple[Path]]:
        """Elsewhere, on another machine say, the same folder has other numbers."""
        return RootFolder, (self.path,)

    def require_writable(self) -> None:
        """RequestError when nothing can be written here: reported before training, not after. The
        folder itself is made when the first file is written.
        """
        try:
            folder = next(
                path for path in (self.path, *self.path.absolute().parents) if path.exists()
            )
            with TemporaryFile(dir=folder):
                pass
            self._first_use = folder, _identity(folder)
            self._missing = missing_folders(self.path)
            self._sweep()
        except OSError as error:
            raise RequestError(
                f"the store {self.path} cannot be written ({error.strerror}); "
                "choose another with --store DIR or MERBENCH_STORE"
            ) from error

    def require_same(self) -> None:
        """RequestError where the path has come to lead elsewhere since the first use, as it does
        when a disk is unmounted in mid-run: what is written now would lie beneath it, unnoticed.
        """
        if self._first_use:
            folder, identity = self._first_use
            if _identity(folder) != identity:
                raise RequestError(
                    f"the store {self.path} is no longer the folder it was when the run started "
                    "(was a disk unmounted?); bring it back and give the same command again"
                )
        if not self._first_use or self._first_use[0] != self.path:
            self.path.mkdir(parents=True, exist_ok=True)
            self._first_use = self.path, _identity(self.path)

    def require_room(self) -> None:
        """As ``require_same``; RequestError also where the folder takes nothing more."""
        try:
            self.require_same()
            with TemporaryFile(dir=self.path, buffering=0) as file:
                file.write(b".")
        except OSError as error:
            raise RequestError(
                f"the store {self.path} takes nothing more ({error.strerror}); make room or make "
                "it writable, and give the same command again: what was written before is whole"
            ) from error

    def remove_if_empty(self) -> None:
        """Remove the folders that a refused request has made and left empty, but for what its
        processes were writing when they were ended.
        """
        self._sweep()
        remove_empty(self.path / "claims", *self._missing)

    def _sweep(self) -> None:
        sweep(*(self.path / name for name in SWEPT))
