"""Files that come into a data set as they are, copied or linked to; a name that something else has
gets a digest.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from merbench.data.folder.manifest import sha256_of
from merbench.results.files import inside


class CopiedFiles:
    """``bundle``: the folder that files go into; ``existing``: the data set's folder where it is
    there already.
    """

    def __init__(self, bundle: Path, existing: Path | None) -> None:
        self.bundle = bundle
        self._folders: Sequence[Path] = (bundle, existing) if existing else (bundle,)

    def copy(self, path: Path, name: str) -> str:
        """The name that the copy has."""
        if self._is_taken(name, lambda other: filecmp.cmp(path, other, shallow=False)):
            name = _with_digest(name, sha256_of(path))
        target = self._target(name)
        if not target.exists():
            unfinished = target.with_name(f".{target.name}.part")
            shutil.copyfile(path, unfinished)
            unfinished.replace(target)
        return name

    def link(self, path: Path, name: str) -> str:
        """The name that the link has."""
        if self._is_taken(name, path.samefile):
            name = _with_digest(name, hashlib.sha256(os.fsencode(path.resolve())).hexdigest())
        target = self._target(name)
        target.unlink(missing_ok=True)
        target.symlink_to(path.resolve())
        return name

    def _is_taken(self, name: str, is_same: Callable[[Path], bool]) -> bool:
        """Whether the data set has something else of this name. A link that leads nowhere is
        nothing.
        """
        paths = [inside(folder, name) for folder in self._folders]
        return any(path.exists() and not is_same(path) for path in paths)

    def _target(self, name: str) -> Path:
        target = inside(self.bundle, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def _with_digest(name: str, digest: str) -> str:
    """``a/b.npz`` -> ``a/b-0123abcd.npz``."""
    path = Path(name)
    return path.with_name(f"{path.stem}-{digest[:8]}{path.suffix}").as_posix()
