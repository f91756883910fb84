"""Stream files: safetensors of our own layout, written row by row with bounded memory, and read by
memory map.

A stream file is plain safetensors, readable with that library alone, and names its arrays as a
``.npz`` of a feature folder does: ``values`` [T, D] or ``word`` [T] into ``vocab``, ``offset``
int64 [N+1], ``start`` and ``end`` of words where known. ``id`` and ``vocab`` are texts, which
safetensors lacks: a JSON list in UTF-8 bytes. The header has a fixed size and the first array
follows it at a page boundary, so that rows can be appended before their number is known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from merbench.api.errors import DataError

HEADER = 4096
SUFFIX = ".safetensors"
_DTYPES = {
    "F32": "<f4",
    "F16": "<f2",
    "F64": "<f8",
    "I32": "<i4",
    "I64": "<i8",
    "I16": "<i2",
    "I8": "|i1",
    "U8": "|u1",
    "BOOL": "|b1",
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def finish(
    file: BinaryIO,
    shape: tuple[int, int] | None,
    texts: Mapping[str, list[str]],
    other_arrays: Mapping[str, np.ndarray],
) -> None:
    """Complete a file whose bytes from HEADER on are the float32 array ``values`` of this shape
    (None: there is none).
    """
    at, table = 0, dict[str, Any]()

    def enter(name: str, dtype: np.dtype, dims: Sequence[int], size: int) -> None:
        nonlocal at
        table[name] = {
            "dtype": _NAMES[dtype.str],
            "shape": list(dims),
            "data_offsets": [at, at + size],
        }
        at += size

    if shape:
        enter("values", np.dtype("<f4"), shape, 4 * math.prod(shape))
    file.seek(HEADER + at)
    for name, items in texts.items():
        data = json.dumps(items, ensure_ascii=False, separators=(",", ":")).encode()
        data += b" " * (-(at + len(data)) % 8)  # so that what follows is aligned in the map
        enter(name, np.dtype("|u1"), (len(data),), len(data))
        file.write(data)
    for name, array in other_arrays.items():
        enter(name, array.dtype, array.shape, array.nbytes)
        file.write(np.ascontiguousarray(array).tobytes())
    file.seek(0)
    file.write(
        (HEADER - 8).to_bytes(8, "little")
        + json.dumps(table, separators=(",", ":")).encode().ljust(HEADER - 8)
    )


def is_safetensors(path: Path) -> bool:
    return path.suffix == SUFFIX


def map_tensors(path: Path) -> dict[str, np.ndarray]:
    """Every array of a safetensors file, mapped and read-only. OSError, or ValueError saying what
    is wrong with the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, 100_000_000):
            raise ValueError("its header is damaged")
        table = json.loads(file.read(length))
    if not isinstance(table, dict):
        raise ValueError("its header is damaged")
    table.pop("__metadata__", None)
    file_bytes = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    return {name: _tensor(file_bytes[8 + length :], name, entry) for name, entry in table.items()}


def _tensor(body: np.ndarray, name: str, entry: Any) -> np.ndarray:
    try:
        shape, (start, end), kind = entry["shape"], entry["data_offsets"], entry["dtype"]
        sound = all(
            type(n) is int and n >= 0 for n in (*shape, start, end)
        ) and start <= end <= len(body)
    except (KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise ValueError(f"the entry of {name!r} in its header is damaged, or the file was cut off")
    if kind not in _DTYPES:
        raise ValueError(f"array {name!r} holds {kind}, which is not read here")
    dtype = np.dtype(_DTYPES[kind])
    if end - start != dtype.itemsize * math.prod(shape):
        raise ValueError(f"array {name!r} does not fill its place")
    array: np.ndarray = (
        body[start:end].view(dtype)
        if start % dtype.itemsize == 0
        else np.frombuffer(body[start:end].tobytes(), dtype)
    )
    return array.reshape(shape)


def texts_of(array: np.ndarray, path: Path, name: str) -> list[str]:
    """Texts kept as a JSON list in UTF-8 bytes; DataError where they are not."""
    try:
        texts = json.loads(array.tobytes())
    except ValueError:
        texts = None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise DataError(
            f"{path}: {name!r} is no JSON list of texts; "
            "write it as json.dumps(list).encode() in uint8"
        )
    return texts
