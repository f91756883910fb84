"""Arrays of a ``.npz`` (pickle off) or ``.safetensors`` file (mapped), checked as they are taken,
and joined to a table by id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from merbench.api.did_you_mean import did_you_mean
from merbench.api.errors import DataError
from merbench.api.first_line import typed
from merbench.data.first_few import first_few
from merbench.data.folder.stream_file import is_safetensors, map_tensors, texts_of
from merbench.results.records.sealed import require_file

_WHAT = {"U": "text", "iu": "whole numbers", "biuU": "whole numbers or text", "fiu": "numbers"}


class Arrays:
    """The arrays of one file. Every reader raises DataError, naming the file and the array."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: dict[str, np.ndarray] = {}
        self._file: np.lib.npyio.NpzFile | dict[str, np.ndarray]
        mapped = is_safetensors(path)
        try:
            require_file(path)
            file = map_tensors(path) if mapped else np.load(path, allow_pickle=False)
        except FileNotFoundError:
            raise DataError(
                f"{path} does not exist; put it there, or take what names it out of dataset.toml"
            ) from None
        except (
            Exception
        ) as error:  # a damaged file can fail in any layer: zip, zlib, the array header
            form, writer = (
                (".safetensors", "add the data set again")
                if mapped
                else (".npz", "write it with numpy.savez")
            )
            raise DataError(
                f"{path} cannot be read as {form} ({_line(error)}); copy it again, or {writer}"
            ) from None
        if not isinstance(file, np.lib.npyio.NpzFile | dict):
            raise DataError(
                f"{path} holds a single bare array; "
                "write it with numpy.savez, together with its `id`"
            )
        self._file = file

    def __contains__(self, name: object) -> bool:
        return name in self._file

    def array(
        self, name: str, kinds: str, ndim: Sequence[int], length: int | None = None
    ) -> np.ndarray:
        """Array ``name``, whose dtype kind is one of ``kinds``, with one of ``ndim`` dimensions,
        and of the given length.
        """
        if name not in self._read:
            if name not in self:
                raise DataError(
                    f"{self.path} has no array {name!r}; {did_you_mean(name, self._file)}"
                )
            try:
                value = self._file[name]
            except Exception as error:
                pickled = "Object arrays" in str(error)
                problem = (
                    "holds pickled objects, which are never loaded"
                    if pickled
                    else f"cannot be read ({_line(error)})"
                )
                fix = "save it as plain numbers or strings" if pickled else "copy the file again"
                raise DataError(f"{self.path}: array {name!r} {problem}; {fix}") from None
            if not isinstance(value, np.ndarray):
                raise DataError(
                    f"{self.path}: {name!r} is no array; write the file with numpy.savez"
                )
            if isinstance(self._file, dict) and _holds_texts(value, kinds):
                value = np.array(texts_of(value, self.path, name), dtype=str)
            self._read[name] = value
        cached = self._read[name]
        if cached.dtype.kind not in kinds:
            raise DataError(
                f"{self.path}: array {name!r} holds {cached.dtype}, not {_WHAT[kinds]}; "
                f"save it as {_WHAT[kinds]}"
            )
        if cached.ndim not in ndim:
            ranks = " or ".join(map(str, ndim))
            raise DataError(
                f"{self.path}: array {name!r} has shape {cached.shape}, not {ranks} dimension(s); "
                "reshape it before saving"
            )
        if length is not None and len(cached) != length:
            raise DataError(
                f"{self.path}: array {name!r} has {len(cached)} entries and needs {length}; "
                "write arrays that belong together"
            )
        return cached

    def per_row(self, name: str, kinds: str, ndim: Sequence[int] = (1,)) -> np.ndarray:
        """An array with one entry an id."""
        return self.array(name, kinds, ndim, len(self.ids))

    @cached_property
    def ids(self) -> list[str]:
        if "id" not in self:
            raise DataError(
                f"{self.path} has no array 'id', by which its rows are joined to the table; write "
                f"one with video_id_clip_id of each row (it has {', '.join(self._file)})"
            )
        ids: list[str] = self.array("id", "U", (1,)).tolist()
        if len(set(ids)) != len(ids):
            twice = Counter(ids).most_common(1)[0][0]
            raise DataError(
                f"{self.path}: the id {twice!r} stands twice in `id`; keep one row of it"
            )
        return ids

    def offset(self, name: str, total: int, array: str) -> np.ndarray:
        """Ragged bounds [len(ids) + 1] into ``array``, which has ``total`` entries."""
        offset = self.array(name, "iu", (1,), len(self.ids) + 1).astype(np.int64)
        if offset[0] != 0 or offset[-1] != total or (np.diff(offset) < 0).any():
            decreasing = ", with steps back" if (np.diff(offset) < 0).any() else ""
            raise DataError(
                f"{self.path}: array {name!r} must ascend from 0 to {total}, the length of "
                f"{array!r}, and goes from {offset[0]} to {offset[-1]}{decreasing}; "
                "write the running sum of the row lengths, from 0"
            )
        return offset

    def join(self, ids: Sequence[str], table: Path) -> np.ndarray:
        """[N]: the place in this file of each of ``ids``. Both must hold the same ids, in whatever
        order.
        """
        row_of_id = {name: i for i, name in enumerate(self.ids)}
        lacks = [name for name in ids if name not in row_of_id]
        if lacks or len(ids) != len(row_of_id):
            wanted_ids = set(ids)
            extra = [name for name in row_of_id if name not in wanted_ids]
            parts = []
            if lacks:
                parts.append(
                    f"lacks {len(lacks)} of the {len(ids)} ids of {table.name} (first: "
                    f"{first_few(lacks)})"
                )
            if extra:
                parts.append(
                    f"holds {len(extra)} that {table.name} does not (first: {first_few(extra)})"
                )
            raise DataError(
                f"{self.path}: `id` {' and '.join(parts)}; "
                f"write it with exactly the ids video_id_clip_id of {table.name}"
            )
        return np.fromiter((row_of_id[name] for name in ids), dtype=np.int64, count=len(ids))


def _holds_texts(value: np.ndarray, kinds: str) -> bool:
    """Of a safetensors file, which has no texts but bytes: where numbers are as good as texts, only
    bytes that begin as a JSON list are some.
    """
    if "U" not in kinds or value.dtype != np.uint8:
        return False
    return kinds == "U" or value[:1].tobytes() == b"["


def _line(error: Exception) -> str:
    return typed(error)[:120]
