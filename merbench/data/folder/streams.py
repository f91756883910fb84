"""The streams of a feature folder: each kind of signal, from the label table and the arrays beside
it, as a ``Stream``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api.material.corpus import Stream
from merbench.api.material.types import MODALITIES
from merbench.data.folder import stored_statistics as remembered
from merbench.data.folder.arrays import Arrays
from merbench.data.folder.label_table import Table
from merbench.data.folder.manifest import Manifest, read_manifest
from merbench.data.folder.toml_section import Section
from merbench.results.files import is_inside

_KEY = re.compile(r"\{(\w+)\}")
"""A column in the pattern of a clip's place."""
_OF_OTHER_ARRAYS = {2: ("length", "padding"), 3: ("offset",)}
"""Dimensions of an array of features -> settings of steps that arrays of others have."""


def strings(cells: list[str]) -> np.ndarray:
    """[N] str of variable width: texts differ so much in length that a fixed-width array of MOSEI's
    would take 150 MB.
    """
    return np.array(cells, dtype=np.dtypes.StringDType())


class TableFiles:
    """The label table and the files beside it, joined by id. A file is opened once.

    ``not_finite``: stream -> how many of its values are not finite, for the streams whose manifest
    knows it.
    """

    def __init__(self, path: Path, table: Table) -> None:
        self.path, self.table = path, table
        self.manifest = read_manifest(path) or Manifest(name=path.name)
        self.not_finite: dict[str, int] = {}
        streams = self.manifest.streams.values()
        self._holding = self.manifest.holding(
            path, {remembered.FILE, *(facts.file for facts in streams)}
        )
        self._statistics = (
            remembered.read_statistics(path) if remembered.FILE in self._holding else {}
        )
        self._open: dict[Path, tuple[Arrays, np.ndarray]] = {}

    def arrays(self, section: Section) -> tuple[Arrays, np.ndarray]:
        """``(arrays, place [N])`` of the section's ``file``: row i of the table stands at
        ``place[i]``.
        """
        path = section.file("file")
        if path not in self._open:
            arrays = Arrays(path)
            self._open[path] = arrays, arrays.join(self.table.ids, self.table.path)
        return self._open[path]

    def stream(self, name: str, section: Section) -> Stream:
        """The stream that ``section`` describes; DataError if what it names is missing or wrong."""
        modality = section.choice("modality", MODALITIES)
        kind = section.choice("kind", ("strings", "words", "features", "clip"))
        fields = {
            "strings": self._strings,
            "words": self._words,
            "features": self._features,
            "clip": self._clip,
        }[kind](section)
        note = section.text("note", "")
        fitted_on = self._fitted_on(section.table("fitted_on", None))
        section.done()
        if not fields["length"].any():
            raise section.error(
                "no row of the table has anything in this stream; fill it, or take the stream out"
            )
        return Stream(
            name,
            modality,
            kind,
            note=note,
            fitted_on=fitted_on,
            **fields,
            **self._stored(name, section),
        )

    def _stored(self, name: str, section: Section) -> dict[str, Any]:
        """What the manifest says of a stream file that is still as it was written."""
        facts = self.manifest.streams.get(name)
        if (
            facts is None
            or section.text("file", "") != facts.file
            or facts.file not in self._holding
        ):
            return {}
        self.not_finite[name] = facts.not_finite
        return {"sha256": self.manifest.files[facts.file].sha256, "statistics": self._statistics}

    def _fitted_on(self, section: Section | None) -> np.ndarray | None:
        if section is None:
            return None
        arrays, rows = self.arrays(section)
        name, values = section.text("array"), section.values("values")
        marks = arrays.per_row(name, "biuU")[rows]
        marks = marks.astype(np.int8) if marks.dtype.kind == "b" else marks
        section.done()
        # A value that is nowhere would let a leak pass in silence.
        markers = {str(v) for v in np.unique(marks).tolist()}
        if nowhere := [v for v in values if str(v) not in markers]:
            raise section.error(
                f"no entry of {name!r} is {nowhere[0]!r}; "
                "name values that mark the rows the network was trained on"
            )
        return np.isin(marks.astype(str), [str(v) for v in values])

    def _strings(self, section: Section) -> dict[str, Any]:
        return _one_each(self.table.column(section.text("column")))

    def _clip(self, section: Section) -> dict[str, Any]:
        pattern = section.text("pattern")
        columns = {key: self.table.column(key) for key in _KEY.findall(pattern)}
        paths = []
        for row in range(len(self.table)):
            name = _filled(pattern, {key: cells[row] for key, cells in columns.items()})
            if not is_inside(name):
                raise section.error(
                    f"pattern gives {name!r}, which leaves the folder; give a path inside it"
                )
            paths.append(str(self.path / name))
        # Path.is_file raises where a name is too long.
        existing = [path if os.path.isfile(path) else "" for path in paths]  # noqa: PTH113
        if not any(existing):
            raise section.error(
                f"none of the {len(paths)} clips is there (looked for {paths[0]}, ...); "
                "put them there, or take the stream out"
            )
        return _one_each(existing)

    def _words(self, section: Section) -> dict[str, Any]:
        arrays, rows = self.arrays(section)
        word, vocab = arrays.array("word", "iu", (1,)), arrays.array("vocab", "U", (1,))
        outside = (word < 0) | (word >= len(vocab))
        if outside.any():
            first_outside = int(outside.argmax())
            raise section.error(
                f"{arrays.path}: word[{first_outside}] is {word[first_outside]}, "
                f"outside the {len(vocab)} words of `vocab`; number them from 0"
            )
        times = None
        if "start" in arrays or "end" in arrays:
            times = np.stack(
                [
                    arrays.array(end, "fiu", (1,), len(word)).astype(np.float32)
                    for end in ("start", "end")
                ],
                axis=1,
            )
        bounds = _ragged(arrays.offset("offset", len(word), "word"), rows)
        return {
            "values": word.astype(np.int32),
            **bounds,
            "vocab": tuple(vocab.tolist()),
            "times": times,
        }

    def _features(self, section: Section) -> dict[str, Any]:
        arrays, rows = self.arrays(section)
        name = section.text("array")
        padded_left = section.choice("padding", ("left", "right"), "right") == "left"
        length_name = section.text("length", "length")
        offset_name = section.text("offset", "")
        values = _in_native_floats(arrays.array(name, "fiu", (2, 3)))
        if not values.shape[-1]:
            raise section.error(f"{arrays.path}: array {name!r} is 0 wide; take the stream out")
        if unused := [key for key in _OF_OTHER_ARRAYS[values.ndim] if key in section]:
            raise section.error(
                f"{unused[0]} is not for the {values.ndim} dimensions of array {name!r}: length "
                "and padding are for [rows, steps, width], offset for [all steps, width]; take it "
                "out, or reshape the array"
            )
        if values.ndim == 3:
            arrays.per_row(name, "fiu", (3,))
            length = _lengths(section, arrays, name, length_name, values.shape[1])
            longest = values.shape[1]
            start = np.arange(len(length)) * longest + (longest - length if padded_left else 0)
            values_TD = values.reshape(-1, values.shape[2])
            return {"values": values_TD, "start": start[rows], "length": length[rows]}
        offset_name = offset_name or _unnamed_offset(section, arrays, name, len(values))
        if offset_name:
            offset = arrays.offset(offset_name, len(values), name)
            return {"values": values, **_ragged(offset, rows)}
        arrays.per_row(name, "fiu", (2,))
        return {"values": values, "start": rows, "length": np.ones(len(rows), dtype=np.int64)}


def _filled(pattern: str, cells: Mapping[str, str]) -> str:
    """In one pass, since a cell may hold braces of its own."""
    return _KEY.sub(lambda key: cells[key[1]], pattern)


def _in_native_floats(values: np.ndarray) -> np.ndarray:
    """In native byte order, and of a width that torch knows."""
    is_known = values.dtype.kind == "f" and values.itemsize <= 8
    return np.ascontiguousarray(values, dtype=f"=f{values.itemsize}" if is_known else "=f4")


def _lengths(
    section: Section, arrays: Arrays, name: str, length_name: str, longest: int
) -> np.ndarray:
    """[N] int64: how many of the ``longest`` steps of each row of [N, L, D] are real."""
    if length_name not in arrays:
        raise section.error(
            f"{arrays.path} has no array {length_name!r} that says how many of the "
            f"{longest} steps of a row "
            f'of {name!r} are real; add it, or name it: length = "..."'
        )
    length = arrays.per_row(length_name, "iu").astype(np.int64)
    out_of_range = (length < 0) | (length > longest)
    if out_of_range.any():
        raise section.error(
            f"{arrays.path}: array {length_name!r} holds {length[out_of_range.argmax()]}, "
            f"and a row of {name!r} has {longest} steps; fix the lengths"
        )
    return length


def _unnamed_offset(section: Section, arrays: Arrays, name: str, steps: int) -> str:
    """``offset`` where a two-dimensional array must be ragged by it, else empty.

    An ``offset`` that nobody named may belong to another array of the file: DataError where both
    readings are possible.
    """
    n = len(arrays.ids)
    if "offset" not in arrays:
        return ""
    bounds = arrays.array("offset", "iu", (1,))
    if steps != n:
        return "offset"
    if len(bounds) == n + 1 and bounds[-1] == n and (np.diff(bounds) != 1).any():
        raise section.error(
            f"{arrays.path}: {name!r} could be one step a row or ragged by `offset`; "
            'write offset = "offset", or keep it in a file without one'
        )
    return ""


def _one_each(cells: list[str]) -> dict[str, Any]:
    return {
        "values": strings(cells),
        "start": np.arange(len(cells)),
        "length": np.array([int(bool(cell.strip())) for cell in cells]),
    }


def _ragged(offset: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    return {"start": offset[:-1][rows], "length": np.diff(offset)[rows]}
