"""The cache: what frozen encoders made of a stream, once for all runs, by content.

``<root>/encoded/<key>/`` holds ``values.safetensors`` (``values`` float32 [T, D], ``length`` int64
[N]) and ``entry.json`` with its SHA-256, written last: an entry that has one is whole. While it is
filled, each shard of rows is a file of its own, so that a killed job continues where it stood; a
lock, which dies with its process, keeps others out. Everything here can be deleted at any time: it
is made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from merbench.api.errors import RequestError
from merbench.api.material.clips import CUT_SHORT, WITHOUT, rates, summed
from merbench.api.media.decoded import Shares
from merbench.results.files import write_atomic

ENTRY, VALUES = "entry.json", "values.safetensors"
_CHUNK = 2**22


def cache_home(environ: Mapping[str, str]) -> Path:
    """``MERBENCH_CACHE``, else ``merbench`` in the user's cache folder (XDG_CACHE_HOME)."""
    if named := environ.get("MERBENCH_CACHE"):
        return Path(named).expanduser()
    xdg = environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification: a relative path is invalid and is ignored.
    home = (
        Path(xdg)
        if xdg and Path(xdg).is_absolute()
        else Path(environ.get("HOME") or Path.home()) / ".cache"
    )
    return home / "merbench"


class About(BaseModel):
    """What decides an output, and with it the name of its entry. ``rows``: the content of each row,
    None = missing.
    """

    encoder: str
    version: int
    config: dict[str, Any]
    weights: dict[str, str]
    rows: list[str | None]

    @property
    def key(self) -> str:
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class Entry(BaseModel):
    """``entry.json``. ``dataset`` and ``stream``: for whom it was made first. ``notes``: row ->
    what was wrong with its clip.
    """

    encoder: str
    version: int
    config: dict[str, Any]
    weights: dict[str, str]
    dataset: str
    stream: str
    device: str
    rows: int
    width: int
    steps: int
    bytes: int
    sha256: str
    measured: dict[str, float] = {}
    notes: dict[int, str] = {}


class Cache:
    """``warnings``: one sentence for each entry that was found damaged and thrown away."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "encoded"
        self.warnings: list[str] = []

    def find(self, key: str) -> tuple[Entry, np.ndarray, np.ndarray] | None:
        """The entry with its values (mapped, read-only) and lengths, every byte checked; None where
        there is none that is whole.
        """
        folder = self.folder / key
        try:
            entry = Entry.model_validate_json((folder / ENTRY).read_bytes())
            if _sha256(folder / VALUES) != entry.sha256:
                raise ValueError("its checksum does not fit")
            return entry, *_mapped(folder / VALUES)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, ValidationError) as error:
            why = getattr(error, "strerror", None) or str(error).splitlines()[0]
            self.warnings.append(
                f"the cached output in {folder} is damaged ({why}); it is made again"
            )
            (folder / ENTRY).unlink(missing_ok=True)
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
            with _writing(self.root):
                folder.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((folder / "lock").open("w"))
                while not _locked(lock.fileno()):
                    wait()
                    time.sleep(0.2)
                filling = Filling(self.root, folder, folder / layout)
            yield filling

    def entries(self) -> Iterator[tuple[str, Entry | None, int]]:
        """(key, entry or None where it is not finished, bytes on disk), in the order of keys."""
        for folder in sorted(p for p in self.folder.glob("*") if p.is_dir()):
            try:
                entry = Entry.model_validate_json((folder / ENTRY).read_bytes())
            except (OSError, ValidationError):
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


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RequestError(
            f"the cache {root} cannot be written ({error.strerror}); "
            "make room, or choose another folder with MERBENCH_CACHE, "
            "and run again: what is in it stays"
        ) from error


class Filling:
    """An entry on its way: shards 0, 1, ... in any order, then ``finish``. RequestError where it
    cannot be written.
    """

    def __init__(self, root: Path, folder: Path, shards: Path) -> None:
        self.root, self.folder, self.shards = root, folder, shards
        for left in folder.rglob(".*.tmp"):  # of writers that were killed
            left.unlink()

    def done(self) -> set[int]:
        """Shards that are there and whole; a damaged one is thrown away."""
        whole = set()
        for path in self.shards.glob("*.safetensors"):
            if _shard(path) is None:
                path.unlink()
            else:
                whole.add(int(path.stem))
        return whole

    def put(
        self,
        number: int,
        values: np.ndarray,
        length: np.ndarray,
        notes: Mapping[int, str],
        shares: Mapping[int, Shares] | None = None,
    ) -> None:
        """``values`` float32 [t, D] and ``length`` int64 [n] of the shard's rows; ``notes`` and
        ``shares``: by row, of its clips.
        """
        arrays: dict[str, np.ndarray] = {
            "values": np.ascontiguousarray(values, np.float32),
            "length": np.ascontiguousarray(length, np.int64),
        }
        about = {
            "sha256": _digest(arrays),
            "notes": json.dumps(notes, sort_keys=True),
            "shares": json.dumps(summed((shares or {}).values())),
        }
        with _writing(self.root):
            write_atomic(self._path(number), save(arrays, metadata=about))

    def finish(self, measured: Mapping[str, float], **facts: Any) -> None:
        """Join the shards, all of which are there, into the entry. Equal shards give equal bytes.

        ``measured`` is what the encoder counted; what was noted and counted of clips is summed
        here, since a resumed encoder saw only some.
        """
        paths = sorted(self.shards.glob("*.safetensors"))
        lengths, notes, total, steps, width = [], dict[int, str](), summed(()), 0, 0
        for path in paths:
            shard = _shard(path)
            if shard is None:
                raise RequestError(
                    f"{path} was damaged while the cache was filled; run again, and it is made anew"
                )
            values, length, more, shares = shard
            lengths.append(length)
            notes |= more
            total = summed((total, shares))
            steps, width = steps + len(values), values.shape[1]
        length = np.concatenate(lengths)
        counted = Counter(CUT_SHORT if length[row] else WITHOUT for row in notes)
        measured = {
            **measured,
            **rates(total),
            **{kind: float(count) for kind, count in counted.items()},
        }
        measured = dict(
            sorted(measured.items())
        )  # clips are read ahead, so what was counted first differs from run to run
        size = steps * width * 4
        table = {
            "values": {"dtype": "F32", "shape": [steps, width], "data_offsets": [0, size]},
            "length": {
                "dtype": "I64",
                "shape": [len(length)],
                "data_offsets": [size, size + length.nbytes],
            },
        }
        head = json.dumps(table).encode()
        head = head.ljust(-(-len(head) // 64) * 64 + 56)  # so that the values are aligned
        with _writing(self.root):
            self._join(
                paths,
                head,
                length,
                {"width": width, "steps": steps, "measured": measured, "notes": notes, **facts},
            )

    def _join(
        self, paths: Sequence[Path], head: bytes, length: np.ndarray, facts: Mapping[str, Any]
    ) -> None:
        path = self.folder / VALUES
        temporary = path.with_name(f".{path.name}.tmp")
        with temporary.open("wb") as file:
            file.write(len(head).to_bytes(8, "little") + head)
            for shard in paths:
                file.write(_shard(shard)[0].data)  # type: ignore[index]
            file.write(length.data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        entry = Entry(rows=len(length), bytes=path.stat().st_size, sha256=_sha256(path), **facts)
        write_atomic(self.folder / ENTRY, entry.model_dump_json(indent=1).encode())
        for folder in self.folder.glob("shards-*"):
            shutil.rmtree(folder)

    def _path(self, number: int) -> Path:
        return self.shards / f"{number:05d}.safetensors"


def _size(folder: Path) -> int:
    """Bytes on disk; what another process takes away meanwhile is passed over."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(place) / name).stat().st_size
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


def _shard(path: Path) -> tuple[np.ndarray, np.ndarray, dict[int, str], Shares] | None:
    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in ("values", "length")}
    except (OSError, SafetensorError):
        return None
    if about.get("sha256") != _digest(arrays):
        return None
    notes = {int(row): note for row, note in json.loads(about["notes"]).items()}
    return arrays["values"], arrays["length"], notes, json.loads(about.get("shares", "{}"))


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].shape}".encode() + arrays[name].data)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
