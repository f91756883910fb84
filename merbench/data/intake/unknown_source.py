"""What an unknown source holds, in a line: keys, shapes and columns, found without running any of
it.
"""

from __future__ import annotations

import json
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
from safetensors import safe_open

from merbench.api.dataset_forms import PICKLES, Source
from merbench.api.material.delimited import header_of
from merbench.api.pickles import Array, unpickle_npz
from merbench.data.first_few import first_few

_DEEP = 3
_MANY = 6
_LARGEST_JSON = 2**27
_BEGINNING = 256
_WORKBOOK = "an Excel workbook; save its sheet as .csv"


def contents(source: Source) -> str:
    """What is in it, as far as it can be read; empty where that is unknown."""
    path = source.path
    try:
        if path.is_dir():
            return _folder(path)
        suffix = path.suffix.lower()
        return (
            _value(source.pickle)
            if suffix in PICKLES
            else _READERS.get(suffix, _by_its_beginning)(path)
        )
    except Exception:  # a damaged file can fail in any layer, and this is said beside an error
        return ""


def _folder(path: Path) -> str:
    files = [file for file in path.iterdir() if not file.name.startswith(".")]
    kinds = Counter(file.suffix or ("a folder" if file.is_dir() else "no suffix") for file in files)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(_MANY))
    if not files:
        return "nothing"
    return f"{len(files)} files and folders ({counts}): {_names(sorted(f.name for f in files))}"


def _by_its_beginning(path: Path) -> str:
    """Of a file whose suffix says nothing."""
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    if not beginning.strip():
        return "nothing" if len(beginning) < _BEGINNING else ""
    for mark, holds in _MARKS.items():
        if beginning.startswith(mark):
            return holds if isinstance(holds, str) else holds(path)
    # The last character may be cut in two.
    text = beginning.decode(errors="ignore" if len(beginning) == _BEGINNING else "strict")
    line = text.strip().partition("\n")[0][:60].strip()
    return f"text that begins with {line!r}" if line.isprintable() else ""


def _table(path: Path) -> str:
    columns = header_of(path)
    return f"a table with the columns {', '.join(columns)[:300]}" if columns else "nothing"


def _parquet(path: Path) -> str:
    from pyarrow import parquet

    return f"a table with the columns {', '.join(parquet.read_schema(path).names)[:300]}"


def _json(path: Path) -> str:
    if path.stat().st_size > _LARGEST_JSON:
        return ""
    return _value(json.loads(path.read_text(encoding="utf-8-sig")))


def _json_lines(path: Path) -> str:
    with path.open(encoding="utf-8-sig") as file:
        return f"lines of JSON, the first {_value(json.loads(file.readline(_LARGEST_JSON)))}"


def _npy(path: Path) -> str:
    return f"one array {_value(np.load(path, mmap_mode='r', allow_pickle=False))}"


def _safetensors(path: Path) -> str:
    with safe_open(path, "np") as file:
        names = file.keys()
        shapes = [f"{name[:40]} {file.get_slice(name).get_shape()}" for name in names]
    return f"tensors {_names(shapes)}"


def _zip(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return f"an archive of {_names(archive.namelist())}, which is to be unpacked first"


def _tar(path: Path) -> str:
    with tarfile.open(path) as archive:
        first_names = [member.name for member in islice(archive, _MANY)]
    return f"an archive of {_names(first_names)} and perhaps more, which is to be unpacked first"


def _gzip(path: Path) -> str:
    return _tar(path) if tarfile.is_tarfile(path) else "one file, which is to be unpacked first"


def _hdf5(path: Path) -> str:
    import h5py

    with h5py.File(path, "r") as file:
        parts = []
        for name in sorted(file):
            is_own = isinstance(file.get(name, getlink=True), h5py.HardLink)
            item = file[name] if is_own else None
            shape = f" {item.dtype} {list(item.shape)}" if isinstance(item, h5py.Dataset) else ""
            parts.append(f"{name[:40]}{shape}" if is_own else f"{name[:40]} (a link)")
        return f"HDF5 with {_names(parts)}"


def _value(value: object, deep: int = 1) -> str:
    """``a dict of train: a dict of id: U12 [1284], ...``."""
    if isinstance(value, Array | np.ndarray | np.generic):
        return f"{value.dtype.str.lstrip('<>|=')} {list(value.shape)}"
    if isinstance(value, Mapping):
        if deep > _DEEP:
            return f"a dict of {len(value)}"
        examples = [
            f"{str(key)[:40]}: {_value(value[key], deep + 1)}" for key in list(value)[:_MANY]
        ]
        ellipsis = f", ... ({len(value)} keys)" if len(value) > _MANY else ""
        return f"a dict of {', '.join(examples)}{ellipsis}"
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        if not value:
            return f"an empty {kind}"
        if kind == "tuple" and deep <= _DEEP:
            return f"({', '.join(_value(item, deep + 1) for item in value[:_MANY])})"
        first_item = f", the first {_value(value[0], deep + 1)}" if deep <= _DEEP else ""
        return f"a {kind} of {len(value)}{first_item}"
    return f"a {type(value).__name__}"


def _names(names: Iterable[str]) -> str:
    return first_few(list(names), _MANY)


_MARKS: dict[bytes, str | Callable[[Path], str]] = {
    b"MATLAB": "MATLAB's variables; save them as .npz or as a table",
    b"SQLite format 3": "an SQLite database; save its rows as a table",
    b"ARROW1": "an Arrow table; save it as .parquet",
    b"\xd0\xcf\x11\xe0": _WORKBOOK,
    b"PAR1": _parquet,
    b"PK\x03\x04": _zip,
    b"\x89HDF": _hdf5,
    b"RIFF": "a clip; give the folder of clips with a table of their labels",
}
"""How a file begins -> what it holds."""
_READERS: dict[str, Callable[[Path], str]] = {
    ".xlsx": lambda _: _WORKBOOK,
    ".npz": lambda path: _value(unpickle_npz(path)),
    ".npy": _npy,
    ".csv": _table,
    ".tsv": _table,
    ".parquet": _parquet,
    ".json": _json,
    ".jsonl": _json_lines,
    ".safetensors": _safetensors,
    ".zip": _zip,
    **dict.fromkeys((".tar", ".tgz"), _tar),
    ".gz": _gzip,
    **dict.fromkeys((".h5", ".hdf5", ".csd"), _hdf5),
}
"""Suffix -> what says in a line what such a file holds."""
