"""``.npz`` files whose arrays hold Python objects: the pickle inside is read as any other is."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from merbench.api.errors import DataError
from merbench.api.pickles.arrays import Array, Kept
from merbench.api.pickles.budget import Budget, NotWhole, Refused
from merbench.api.pickles.reader import load

MOST = 2**29
"""Bytes of one array, unpacked, from which it is refused: labels take a thousandth of it."""


def unpickle_npz(path: Path) -> dict[str, Any]:
    """Name -> what an array holds. An array of objects without dimensions, which is how numpy keeps
    a dict, gives the object. DataError, naming the file and the class or the fault, for anything
    that ``unpickle`` would refuse too.
    """
    try:
        budget = Budget(path.stat().st_size)
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            return {info.filename[:-4]: _value(archive, info, budget) for info in members}
    except Refused as error:
        raise DataError(
            f"{path} {error}; it was not loaded, because a pickle can run anything: "
            "save containers, numbers, strings and numpy arrays"
        ) from None
    except DataError:
        raise
    except Exception as error:  # a damaged archive can fail in any layer
        # Only texts of ours: those of other errors may hold what the file does.
        reason = str(error) if type(error) is NotWhole else type(error).__name__
        raise DataError(
            f"{path} cannot be read as .npz ({reason}); copy it again, or write it with numpy.savez"
        ) from None


def _value(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> Any:
    if info.file_size > MOST:
        raise Refused(f"holds the array {info.filename[:60]} of {info.file_size:,} bytes")
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder) / "array.npy"
        with archive.open(info) as packed, unpacked.open("wb") as file:
            shutil.copyfileobj(packed, file)
        with unpacked.open("rb") as file:
            if not _holds_objects(file):
                return np.load(unpacked, allow_pickle=False)
            value = load(file, unpacked.stat().st_size, Kept(unpacked), budget)
    return value.item() if isinstance(value, Array) and not value.shape else value


def _holds_objects(file: BinaryIO) -> bool:
    """Reads the header; ``file`` then stands behind it."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else _read_header
    _, _, dtype = read_header(file)
    return bool(dtype.hasobject)


def _read_header(file: BinaryIO) -> Any:
    return np.lib.format.read_array_header_2_0(file)
