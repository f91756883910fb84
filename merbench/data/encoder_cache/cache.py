"""The entries of the cache: found, checked, removed, and the right to fill one."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np

from merbench.api.errors import RequestError
from merbench.api.first_line import first_line
from merbench.data.encoder_cache.entry import ENTRY, SHARDS, VALUES, Entry, file_sha256, writing
from merbench.data.encoder_cache.filling import Filling
from merbench.results.files import remove
from merbench.results.records.sealed import read_file


def cache_home(environ: Mapping[str, str]) -> Path:
    """``MERBENCH_CACHE``, else ``merbench`` in the user's cache folder (XDG_CACHE_HOME)."""
    if from_environment := environ.get("MERBENCH_CACHE"):
        return Path(from_environment).expanduser()
    xdg = environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification: a relative path is invalid and is ignored.
    home = (
        Path(xdg)
        if xdg and Path(xdg).is_absolute()
        else Path(environ.get("HOME") or Path.home()) / ".cache"
    )
    return home / "merbench"


class Cache:
    """``warnings``: one sentence for each entry that was found damaged and thrown away."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "encoded"
        self.warnings: list[str] = []

    def find(self, key: str) -> tuple[Entry, np.ndarray, np.ndarray] | None:
        """The entry with its values (mapped, read-only) and lengths, every byte checked; None where
        there is none that is whole. RequestError where a damaged one cannot be thrown away.
        """
        folder = self.folder / key
        try:
            entry = Entry.model_validate_json(read_file(folder / ENTRY))
            entry.check(key)
            if file_sha256(folder / VALUES) != entry.sha256:
                raise ValueError("its checksum does not fit")
            for shards in folder.glob(f"{SHARDS}*"):  # of a job that was killed when it was done
                shutil.rmtree(shards, ignore_errors=True)
            return entry, *_mapped(folder / VALUES)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError) as error:
            reason = getattr(error, "strerror", None) or first_line(error)
            self.warnings.append(
                f"the cached output in {folder} is damaged ({reason}); it is made again"
            )
            with writing(self.root):
                remove(folder / ENTRY)
            return None

    @contextmanager
    def filling(
        self, key: str, layout: str, wait: Callable[[], None] = lambda: None
    ) -> Iterator[Filling]:
        """The right to fill an entry, for one process at a time. ``wait()`` is called again and
        again while another has it.

        ``layout`` names how its shards are cut: those of another layout are not gone on with.
        RequestError where nothing can be written.
        """
        folder = self.folder / key
        with ExitStack() as stack:
            with writing(self.root):
                while True:
                    folder.mkdir(parents=True, exist_ok=True)
                    lock = stack.enter_context((folder / "lock").open("w"))
                    while not _locked(lock.fileno()):
                        wait()
                        time.sleep(0.2)
                    if _is_there(folder / "lock", lock.fileno()):
                        break  # else it was removed with its entry while it was waited for
                filling = Filling(self.root, folder, folder / layout)
            yield filling

    def entries(self) -> Iterator[tuple[str, Entry | None, int]]:
        """(key, entry or None where it is not finished, bytes on disk), in the order of keys."""
        for folder in sorted(p for p in self.folder.glob("*") if p.is_dir()):
            try:
                entry = Entry.model_validate_json(read_file(folder / ENTRY))
            except (OSError, ValueError):
                entry = None
            yield folder.name, entry, _size(folder)

    def remove(self, key: str) -> bool:
        """Whether it was removed: an entry that is being filled is left alone. RequestError where
        it cannot be.
        """
        folder = self.folder / key
        try:
            with (folder / "lock").open("w") as lock:
                if not _locked(lock.fileno()):
                    return False
                (folder / ENTRY).unlink(missing_ok=True)
                shutil.rmtree(folder)
        except OSError as error:
            raise RequestError(
                f"{folder} cannot be deleted ({error.strerror}); delete it as the user who made it"
            ) from error
        return True


def _size(folder: Path) -> int:
    """Bytes on disk; what another process takes away meanwhile is passed over."""
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(directory) / name).stat().st_size
    return total


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks: two processes would do the same work, and each file is still
        # whole.
        return True
    return True


def _is_there(path: Path, handle: int) -> bool:
    """Whether ``path`` still is the file that ``handle`` was opened from."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _mapped(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        table = json.loads(file.read(size))
    body = (
        np.memmap(path, np.uint8, "r", offset=8 + size)
        if path.stat().st_size > 8 + size
        else np.zeros(0, np.uint8)
    )
    pieces = []
    for name, dtype in (("values", "<f4"), ("length", "<i8")):
        start, end = table[name]["data_offsets"]
        pieces.append(body[start:end].view(dtype).reshape(table[name]["shape"]))
    return pieces[0], pieces[1]
