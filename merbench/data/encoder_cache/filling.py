"""An entry of the cache on its way: shards of rows, then one file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from merbench.api.errors import RequestError
from merbench.api.material.clips import CUT_SHORT, WITHOUT, rates, summed
from merbench.api.media.decoded import Shares
from merbench.data.encoder_cache.entry import ENTRY, SHARDS, VALUES, Entry, file_sha256, writing
from merbench.results.files import remove, write_atomic
from merbench.results.records.sealed import require_file


class Filling:
    """An entry on its way: shards 0, 1, ... in any order, then ``finish``. RequestError where it
    cannot be written.
    """

    def __init__(self, root: Path, folder: Path, shards: Path) -> None:
        self.root, self.folder, self.shards = root, folder, shards
        for abandoned in folder.rglob(".*.tmp"):  # of writers that were killed
            abandoned.unlink()

    def done(self) -> set[int]:
        """Shards that are there and whole; a damaged one is thrown away."""
        complete = set()
        for path in self.shards.glob("*.safetensors"):
            if _shard(path) is None:
                remove(path)
            else:
                complete.add(int(path.stem))
        return complete

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
            "notes": json.dumps(notes, sort_keys=True),
            "shares": json.dumps(summed((shares or {}).values())),
        }
        path = self._path(number)
        about["sha256"] = _digest(path, arrays, about)
        with writing(self.root):
            write_atomic(path, save(arrays, metadata=about))

    def finish(self, measured: Mapping[str, float], **facts: Any) -> None:
        """Join the shards, all of which are there, into the entry. Equal shards give equal bytes.

        ``measured`` is what the encoder counted; what was noted and counted of clips is summed
        here, since a resumed encoder saw only some.
        """
        paths = sorted(self.shards.glob("*.safetensors"))
        lengths, notes, shares, steps, width = [], dict[int, str](), summed(()), 0, 0
        for path in paths:
            shard = _shard(path)
            if shard is None:
                raise RequestError(
                    f"{path} was damaged while the cache was filled; run again, and it is made anew"
                )
            values, length, notes_here, shares_here = shard
            lengths.append(length)
            notes |= notes_here
            shares = summed((shares, shares_here))
            steps, width = steps + len(values), values.shape[1]
        length = np.concatenate(lengths)
        counts = Counter(CUT_SHORT if length[row] else WITHOUT for row in notes)
        measured = {**measured, **rates(shares), **{kind: float(n) for kind, n in counts.items()}}
        # Sorted: clips are read ahead, so what was counted first differs from run to run.
        facts |= {"measured": dict(sorted(measured.items())), "notes": notes}
        with writing(self.root):
            self._join(paths, length, steps, width, facts)

    def _join(
        self,
        paths: Sequence[Path],
        length: np.ndarray,
        steps: int,
        width: int,
        facts: Mapping[str, Any],
    ) -> None:
        path = self.folder / VALUES
        temporary = path.with_name(f".{path.name}.tmp")
        with temporary.open("wb") as file:
            file.write(_header(length, steps, width))
            for shard in paths:
                file.write(_shard(shard)[0].data)  # type: ignore[index]
            file.write(length.data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        entry = Entry(
            rows=len(length),
            width=width,
            steps=steps,
            bytes=path.stat().st_size,
            sha256=file_sha256(path),
            key=self.folder.name,
            **facts,
        ).sealed()
        write_atomic(self.folder / ENTRY, entry.model_dump_json(indent=1).encode())
        for folder in self.folder.glob(f"{SHARDS}*"):
            shutil.rmtree(folder, ignore_errors=True)  # another process that reads may be faster

    def _path(self, number: int) -> Path:
        return self.shards / f"{number:05d}.safetensors"


def _header(length: np.ndarray, steps: int, width: int) -> bytes:
    """Of the safetensors file of ``values`` float32 [steps, width] and then ``length``."""
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
    return len(head).to_bytes(8, "little") + head


def _shard(path: Path) -> tuple[np.ndarray, np.ndarray, dict[int, str], Shares] | None:
    try:
        require_file(path)
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in ("values", "length")}
        if about["sha256"] != _digest(path, arrays, about):
            return None
    except (OSError, ValueError, LookupError, SafetensorError):
        return None
    notes = {int(row): note for row, note in json.loads(about["notes"]).items()}
    return arrays["values"], arrays["length"], notes, json.loads(about["shares"])


def _digest(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, str]) -> str:
    """Of a shard's content and place: that of other rows, or of another entry, has another one."""
    digest = hashlib.sha256(repr((path.parts[-3:], about["notes"], about["shares"])).encode())
    for name in sorted(arrays):
        digest.update(
            f"{name}{arrays[name].dtype}{arrays[name].shape}".encode() + arrays[name].data
        )
    return digest.hexdigest()
