"""The streams of a feature folder: each kind of signal, from the label table and the arrays beside
it, as a ``Stream``.
"""

from __future__ import annotations

import os
import re
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


def strings(cells: list[str]) -> np.ndarray:
    """[N] str of variable width: texts differ so much in length that a fixed-width array of MOSEI's
    would take 150 MB.
    """
    return np.array(cells, dtype=np.dtypes.StringDType())


class Beside:
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
        note, fitted_on = (
            section.text("note", ""),
            self._fitted_on(section.table("fitted_on", None)),
        )
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
            **self._known(name, section),
        )

    def _known(self, name: str, section: Section) -> dict[str, Any]:
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
        arrays, place = self.arrays(section)
        name, values = section.text("array"), section.values("values")
        marks = arrays.per_row(name, "biuU")[place]
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
        columns = {key: self.table.column(key) for key in re.findall(r"\{(\w+)\}", pattern)}
        paths = []
        for row in range(len(self.table)):
            name = pattern
            for key, cells in columns.items():
                name = name.replace(f"{{{key}}}", cells[row])
            if not is_inside(name):
                raise section.error(
                    f"pattern gives {name!r}, which leaves the folder; give a path inside it"
                )
            paths.append(str(self.path / name))
        # Path.is_file raises where a name is too long.
        existing = [path if os.path.isfile(path) else "" for path in paths]  # noqa: PTH113
        if not any(existing):
            place = f"looked for {paths[0]}, ..."
            raise section.error(
                f"none of the {len(paths)} clips is there ({place}); "
                "put them there, or take the stream out"
            )
        return _one_each(existing)

    def _words(self, section: Section) -> dict[str, Any]:
        arrays, place = self.arrays(section)
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
        bounds = _ragged(arrays.offset("offset", len(word), "word"), place)
        return {
            "values": word.astype(np.int32),
            **bounds,
            "vocab": tuple(vocab.tolist()),
            "times": times,
        }

    def _features(self, section: Section) -> dict[str, Any]:
        arrays, place = self.arrays(section)
        name, left = (
            section.text("array"),
            section.choice("padding", ("left", "right"), "right") == "left",
        )
        length_of, offset_of = section.text("length", "length"), section.text("offset", "")
        values = arrays.array(name, "fiu", (2, 3))
        # Native byte order, and a width that torch knows.
        values = np.ascontiguousarray(
            values,
            dtype=f"=f{values.itemsize}"
            if values.dtype.kind == "f" and values.itemsize <= 8
            else "=f4",
        )
        n = len(arrays.ids)
        if not values.shape[-1]:
            raise section.error(f"{arrays.path}: array {name!r} is 0 wide; take the stream out")
        if values.ndim == 3:  # [N, L, D]
            arrays.per_row(name, "fiu", (3,))
            if length_of not in arrays:
                raise section.error(
                    f"{arrays.path} has no array {length_of!r} that says how many of the "
                    f"{values.shape[1]} steps of a row "
                    f'of {name!r} are real; add it, or name it: length = "..."'
                )
            length, longest = arrays.per_row(length_of, "iu").astype(np.int64), values.shape[1]
            wrong = (length < 0) | (length > longest)
            if wrong.any():
                bad = (
                    f"{length_of!r} holds {length[wrong.argmax()]}, "
                    f"and a row of {name!r} has {longest} steps"
                )
                raise section.error(f"{arrays.path}: array {bad}; fix the lengths")
            start = np.arange(n) * longest + (longest - length if left else 0)
            return {
                "values": values.reshape(-1, values.shape[2]),
                "start": start[place],
                "length": length[place],
            }
        # [T, D] with offsets, or [N, D]: an `offset` that nobody named may belong to another array
        # of the file.
        if not offset_of and "offset" in arrays:
            bounds = arrays.array("offset", "iu", (1,))
            if len(values) != n:
                offset_of = "offset"
            elif len(bounds) == n + 1 and bounds[-1] == n and (np.diff(bounds) != 1).any():
                both = f"{name!r} could be one step a row or ragged by `offset`"
                raise section.error(
                    f'{arrays.path}: {both}; write offset = "offset", '
                    "or keep it in a file without one"
                )
        if offset_of:
            return {"values": values, **_ragged(arrays.offset(offset_of, len(values), name), place)}
        arrays.per_row(name, "fiu", (2,))
        return {"values": values, "start": place, "length": np.ones(len(place), dtype=np.int64)}


def _one_each(cells: list[str]) -> dict[str, Any]:
    return {
        "values": strings(cells),
        "start": np.arange(len(cells)),
        "length": np.array([int(bool(cell.strip())) for cell in cells]),
    }


def _ragged(offset: np.ndarray, place: np.ndarray) -> dict[str, Any]:
    return {"start": offset[:-1][place], "length": np.diff(offset)[place]}
