"""Files of ``torch.save``, zip and legacy: a pickle of containers, and storages beside it that its
persistent ids name.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from merbench.api.pickles.admitted import Maker
from merbench.api.pickles.arrays import Array, Blob, Kept, check_shape
from merbench.api.pickles.budget import Budget, NotWhole, Refused
from merbench.api.pickles.reader import load

MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {
    "Double": "<f8",
    "Float": "<f4",
    "Half": "<f2",
    "Long": "<i8",
    "Int": "<i4",
    "Short": "<i2",
    "Char": "|i1",
    "Byte": "|u1",
    "Bool": "|b1",
}


class _Storages:
    """Called with a persistent id; ``blobs``: key -> where the storage lies (a legacy file says
    that after its pickle).
    """

    def __init__(self) -> None:
        self.blobs: dict[str, Blob] = {}
        self.used: list[_Storage] = []
        self.names = {
            f"torch.{kind}Storage": Maker(dtype, _named) for kind, dtype in _STORAGES.items()
        }
        self.names |= {
            f"torch._utils.{name}": Maker(name, _tensor)
            for name in ("_rebuild_tensor_v2", "_rebuild_tensor")
        }

    def __call__(self, name: Any) -> Any:
        if (
            not isinstance(name, tuple)
            or len(name) < 5
            or name[0] != "storage"
            or not isinstance(name[1], Maker)
        ):
            raise Refused("refers to an object outside of it that is no storage of numbers")
        if name[1].make is not _named or not isinstance(name[2], str):
            raise Refused("refers to an object outside of it that is no storage of numbers")
        self.used.append(_Storage(self, np.dtype(name[1].name), name[2]))
        return self.used[-1]


class _Storage:
    def __init__(self, of: _Storages, dtype: np.dtype, key: str) -> None:
        self.of, self.dtype, self.key = of, dtype, key


class _Tensor(Array):
    """Where its values lie is looked up when they are read."""

    def __init__(self, storage: _Storage, offset: Any, shape: Any, stride: Any) -> None:
        plain = (
            isinstance(shape, tuple)
            and isinstance(stride, tuple)
            and all(type(n) is int and n >= 0 for n in (offset, *shape, *stride))
        )
        if not plain or len(shape) != len(stride):
            raise NotWhole("a tensor has no shape")
        check_shape(shape, storage.dtype)
        packed = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
        if any(n > 1 and s != p for n, s, p in zip(shape, stride, packed, strict=True)):
            raise Refused(
                "holds a tensor whose values do not lie one after the other (save it with "
                ".contiguous())"
            )
        self.dtype, self.shape, self._storage, self._at, self._fortran = (
            storage.dtype,
            shape,
            storage,
            offset,
            False,
        )

    @property
    def _data(self) -> Blob:  # type: ignore[override]
        blob = self._storage.of.blobs.get(self._storage.key)
        start = self._at * self.dtype.itemsize
        if blob is None or start + self._bytes > blob.size:
            raise NotWhole("the storage of a tensor is missing or too short")
        return Blob(blob.file, blob.offset + start, self._bytes)


def _named(*args: Any) -> Any:
    raise Refused("calls a class that is only named")


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *other_arguments: Any) -> Array:
    if not isinstance(storage, _Storage):
        raise Refused("holds a tensor without a storage of numbers")
    return _Tensor(storage, offset, shape, stride)


def load_zip(path: Path, budget: Budget) -> Any:
    """The zip form. Storages stay in the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {info.filename: info for info in archive.infolist()}
    except zipfile.BadZipFile:
        raise NotWhole("it is a zip that is not whole") from None
    pickles = [name for name in entries if name.endswith("data.pkl") and name.count("/") <= 1]
    if len(pickles) != 1:
        raise NotWhole("it is a zip, and not one of torch.save")
    kept, storages = Kept(path), _Storages()
    root = pickles[0].removesuffix("data.pkl")
    for name, info in entries.items():
        if name.startswith(f"{root}data/"):
            storages.blobs[name.removeprefix(f"{root}data/")] = _stored(kept, info)
    pickled = _stored(kept, entries[pickles[0]])
    with path.open("rb") as file:
        file.seek(pickled.offset)
        return load(file, pickled.offset + pickled.size, kept, budget, storages)


def _stored(kept: Kept, info: zipfile.ZipInfo) -> Blob:
    if info.compress_type != zipfile.ZIP_STORED:
        raise Refused("is a compressed zip, which torch.save never writes")
    lengths = Blob(kept, info.header_offset + 26, 4).bytes()
    start = (
        info.header_offset
        + 30
        + int.from_bytes(lengths[:2], "little")
        + int.from_bytes(lengths[2:], "little")
    )
    return Blob(kept, start, info.file_size)


def load_legacy(path: Path, file: BinaryIO, kept: Kept, budget: Budget) -> Any:
    """The form before torch 1.6, from behind the magic number on: version, system, object, keys,
    storages.
    """
    end, storages = path.stat().st_size, _Storages()
    version, system = load(file, end, kept, budget), load(file, end, kept, budget)
    if (
        type(version) is not int
        or version != 1001
        or not isinstance(system, dict)
        or system.get("little_endian") is not True
    ):
        raise NotWhole("it is of a version of torch.save that is not known")
    values = load(file, end, kept, budget, storages)
    keys = load(file, end, kept, budget)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise NotWhole("its list of storages is none")
    sizes = {storage.key: storage.dtype.itemsize for storage in storages.used}
    for key in keys:
        if key not in sizes:
            raise NotWhole("a storage of it belongs to nothing")
        size = int.from_bytes(file.read(8), "little") * sizes[key]
        storages.blobs[key] = Blob(kept, file.tell(), size)
        if file.tell() + size > end:
            raise NotWhole("it ends in the middle")
        file.seek(size, 1)
    return values
