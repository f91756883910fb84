"""The sink of ``merbench data add``: a data set is written into a hidden folder beside its place,
resumed there, shown when whole.

``HOME/.NAME.adding/`` holds ``job.json`` (what is being added: another job starts anew), ``parts/``
(streams under way, one facts file for each that is finished) and ``bundle/``, which becomes
HOME/NAME by one rename. Where HOME/NAME is there already, the new files are moved into it one by
one, ``dataset.toml`` last: until then nothing refers to them. Equal sources give equal bytes,
killed or not.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api.errors import DataError
from merbench.api.material.types import Modality
from merbench.data.folder.label_table import read_table
from merbench.data.folder.manifest import (
    FileFacts,
    Manifest,
    Origin,
    StreamFacts,
    facts_of,
    sha256_of,
)
from merbench.data.folder.stream_file import SUFFIX
from merbench.data.intake.description import extended_description, new_description
from merbench.data.intake.from_folder import take_folder
from merbench.data.intake.rows.join import as_csv
from merbench.data.intake.rows.source import Described, SourceRows
from merbench.data.intake.stream_choice import Choice, ChosenNames
from merbench.data.intake.writers.copies import CopiedFiles
from merbench.data.intake.writers.features import ValuesFile
from merbench.data.intake.writers.finished import FinishedParts
from merbench.data.intake.writers.words import WordsFile
from merbench.results.files import inside, write_atomic

LABELS = "label.csv"
Watch = Callable[[str, int, int], None]
"""Called with what is being done, how far it is, and of how much."""


class StreamExistsError(Exception):
    """A stream of this name is there already."""


class Bundle:
    """A ``merbench.api.Sink``. ``work``: the hidden folder; ``existing``: the data set where it is
    there already; ``origin`` is filled; ``choice``: of the streams.
    """

    def __init__(
        self,
        name: str,
        work: Path,
        existing: Described | None,
        origin: Origin,
        watch: Watch,
        choice: Choice,
    ) -> None:
        self.name, self.work, self.existing, self.watch = name, work, existing, watch
        self.origin, self.chosen = origin, ChosenNames(choice)
        self.bundle = work / "bundle"
        self.bundle.mkdir(parents=True, exist_ok=True)
        self._finished = FinishedParts(work / "parts")
        self._files = CopiedFiles(self.bundle, existing.folder if existing else None)
        self._existing_toml: dict[str, Any] = existing.toml if existing else {}
        self._labels: str = self._existing_toml.get("labels", LABELS)
        self._rows = SourceRows(existing, origin)
        self.streams: dict[str, StreamFacts] = {}
        self.sections: dict[str, dict[str, dict[str, Any]]] = {
            "task": {},
            "streams": {},
            "protocols": {},
        }

    @property
    def ids(self) -> Sequence[str]:
        return self._rows.ids

    def source(self, path: Path) -> str:
        size, key = path.stat().st_size, f"source-{len(self.origin.files)}.json"
        facts = self._finished.facts(key, FileFacts)
        if facts is None:
            done = 0

            def watch(n: int) -> None:
                nonlocal done
                done += n
                self.watch(f"checking {path.name}", done, size)

            facts = FileFacts(bytes=size, sha256=sha256_of(path, watch))
            self._finished.finish(key, facts)
        self.origin.files[path.name if path.name not in self.origin.files else str(path)] = facts
        return facts.sha256

    def columns(self, path: Path) -> Mapping[str, Sequence[str]]:
        return read_table(path).cells

    def expect(self, size: int) -> None:
        n_bytes = sum(path.stat().st_size for path in self.work.rglob("*") if path.is_file())
        if (free := shutil.disk_usage(self.work).free) < size - n_bytes:
            raise DataError(
                f"{self.work.parent} has {free / 1e6:,.1f} MB free, "
                f"and {self.name} needs about {max(0, size - n_bytes) / 1e6:,.1f} MB; "
                "make room, or choose another place with --data DIR"
            )

    def table(self, columns: Mapping[str, Sequence[str]]) -> None:
        cells = self._rows.join(columns)
        if self.existing is None or cells != self.existing.table.cells:
            write_atomic(inside(self.bundle, self._labels), as_csv(cells))

    def task(self, name: str, **spec: Any) -> None:
        self.sections["task"][name] = spec

    def protocol(self, name: str, **spec: Any) -> None:
        offered = [self.chosen.name_here(stream) for stream in spec.get("streams", ())]
        spec["streams"] = [stream for stream in offered if stream]
        if not spec["streams"]:
            raise DataError(
                f"protocol {name} has no stream left to offer; leave one of its streams there"
            )
        self.sections["protocols"][name] = spec

    def stream(self, name: str, **spec: Any) -> None:
        own_name = self.chosen.name_here(name)
        if own_name:
            self._stream(own_name, spec)

    def _stream(self, name: str, spec: dict[str, Any]) -> None:
        if self._rows.ids_here and "pattern" in spec:
            pattern = spec["pattern"].replace("{clip_id}", f"{{{self._rows.clip_column}}}")
            spec = spec | {"pattern": pattern}
        if self._existing_toml.get("streams", {}).get(name) == spec:
            return
        self._new(name)
        self.sections["streams"][name] = spec
        self.origin.streams.append(name)

    def features(
        self,
        name: str,
        modality: Modality,
        width: int,
        ids: Sequence[str],
        read: Callable[[int], np.ndarray | None],
        *,
        note: str = "",
    ) -> None:
        name = self.chosen.name_here(name)
        if not name:
            return
        place_of, key = self._places(name, ids), f"{name}.json"
        facts = self._finished.facts(key, StreamFacts)
        if facts is None:
            values = ValuesFile(self._finished.values_file(name), width)
            resumed = f", resuming at row {values.rows + 1:,}" if values.rows else ""
            for row in range(values.rows, len(self.ids)):
                self.watch(f"{name}{resumed}", row, len(self.ids))
                index = place_of.get(self.ids[row])
                x_LD = None if index is None else read(index)
                values.append(x_LD, f"stream {name}, row {self.ids[row]}")
            missing, steps, not_finite = values.complete({"id": list(self.ids)}, self._file(name))
            facts = StreamFacts(
                file=f"streams/{name}{SUFFIX}",
                rows=len(self.ids),
                missing=missing,
                steps=steps,
                not_finite=not_finite,
            )
            self._finished.finish(key, facts)
        self._add(
            name,
            facts,
            modality=modality,
            kind="features",
            array="values",
            offset="offset",
            note=note,
        )

    def words(
        self,
        name: str,
        ids: Sequence[str],
        read: Callable[[int], tuple[Sequence[str], np.ndarray | None] | None],
        *,
        note: str = "",
    ) -> None:
        name = self.chosen.name_here(name)
        if not name:
            return
        place_of, key = self._places(name, ids), f"{name}.json"
        facts = self._finished.facts(key, StreamFacts)
        if facts is None:
            words = WordsFile()
            for row, row_id in enumerate(self.ids):
                self.watch(name, row, len(self.ids))
                timed_words = read(place_of[row_id]) if row_id in place_of else None
                words.append(*(timed_words or ((), np.zeros((0, 2)))))
            missing, steps = words.complete(
                self.ids, self._finished.values_file(name), self._file(name)
            )
            facts = StreamFacts(
                file=f"streams/{name}{SUFFIX}",
                rows=len(self.ids),
                missing=missing,
                steps=steps,
            )
            self._finished.finish(key, facts)
        self._add(name, facts, modality="text", kind="words", note=note)

    def folder(self, path: Path) -> None:
        take_folder(path, self)
        files = [name for name, spec in self.sections["streams"].items() if "file" in spec]
        if self._rows.ids_here and files:
            raise DataError(
                f"stream {files[0]} of {path} names its rows by ids that differ from those of "
                f"{self.name}; give the rows of its file the ids that they have in {self.name}, "
                "or add it under another --name"
            )

    def file(self, path: Path, name: str) -> str:
        self.watch(f"copying {name}", 0, 1)
        return self._files.copy(path, name)

    def link(self, path: Path, name: str) -> str:
        name = self._files.link(path, name)
        self.origin.links[name] = str(path.resolve())
        return name

    def refuse(self, row: str, why: str) -> None:
        self._rows.refuse(row, why)

    def note(self, sentence: str) -> None:
        self.origin.notes.append(sentence)

    @property
    def adds_nothing(self) -> bool:
        """Whether the data set has all that the source has: columns, and what is described."""
        return (
            self.existing is not None
            and self.description() == self.existing.text
            and not inside(self.bundle, self._labels).exists()
        )

    def description(self) -> str:
        """The text of ``dataset.toml``."""
        if self.existing is None:
            return new_description(self.name, LABELS, self.sections)
        return extended_description(self.existing, self.sections)

    def manifest(self, earlier: Manifest) -> Manifest:
        """``earlier`` and everything in the folder, which is hashed here: call it when all of it is
        there.
        """
        manifest = earlier.model_copy(deep=True)
        manifest.streams |= self.streams
        manifest.sources.append(self.origin)
        # The user may edit the first two, which are read in full each time.
        texts = {
            inside(self.bundle, name) for name in ("dataset.toml", self._labels, "manifest.json")
        }
        for path in sorted(
            p
            for p in self.bundle.rglob("*")
            if p.is_file() and not p.is_symlink() and p not in texts
        ):
            self.watch(f"checking {path.name}", 0, 1)
            manifest.files[path.relative_to(self.bundle).as_posix()] = facts_of(path)
        return manifest

    def _new(self, stream: str) -> None:
        if stream in self.sections["streams"]:
            raise DataError(
                f"two streams of the source are called {stream!r} here; give one another name "
                "(--rename OLD=NEW), leave one out (--without NAME), or take its file away"
            )
        if stream in self._existing_toml.get("streams", {}):
            raise StreamExistsError(f"a stream {stream!r}")

    def _places(self, name: str, ids: Sequence[str]) -> dict[str, int]:
        """Where the form has each row."""
        self._new(name)
        return self._rows.places(name, ids)

    def _add(self, name: str, facts: StreamFacts, **spec: Any) -> None:
        self.streams[name] = facts
        if facts.missing == facts.rows:
            raise DataError(
                f"stream {name} has no value for any row of {self.name}: "
                "no id of its rows is one of the table's, or all of it is empty"
            )
        stated = {key: value for key, value in spec.items() if value != ""}
        self._stream(name, {"file": facts.file, **stated})

    def _file(self, name: str) -> Path:
        (self.bundle / "streams").mkdir(exist_ok=True)
        return inside(self.bundle / "streams", f"{name}{SUFFIX}")
