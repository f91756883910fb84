"""Where a board's runs come from: a store, whose predictions have their targets beside them."""

from __future__ import annotations

import gc
import math
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from merbench.api.first_line import first_line
from merbench.api.processes import cores, each_apart
from merbench.results.records.predictions import Predictions, record_key
from merbench.results.records.reading import RecordReader, UnreadableError
from merbench.results.records.record import Record
from merbench.results.records.sealed import KEY, METADATA, RECORD, read_header
from merbench.results.store.corrections import REPLACED, Correction
from merbench.results.store.history import read_corrections
from merbench.results.store.store import DAMAGE, Store

SHARE = 500
"""Fewer records than this take less time than a process of their own."""


@contextmanager
def _without_collection() -> Iterator[None]:
    """The collector of garbage goes through all objects again and again while many records are
    made, none of which is garbage: half of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@dataclass
class _Share:
    """What was read by one process. ``digests``: run -> that of its predictions."""

    records: list[Record]
    warnings: list[str]
    digests: dict[str, str]


class Source(Protocol):
    """``content``: a hash that changes with the run's predictions or targets."""

    def records(self) -> list[Record]: ...

    def corrections(self) -> list[Correction]: ...

    def predictions(self, run_id: str) -> Predictions: ...

    def content(self, run_id: str) -> str: ...


class StoreSource:
    """Reads every record, and no predictions before they are asked for: thousands of runs in
    seconds. Changes nothing in the store.
    """

    def __init__(self, store: Store, histories: bool = True) -> None:
        """``histories``: False leaves those of records out, most of their size, where nothing is
        drawn or written of them.
        """
        self.store, self._histories = store, histories
        self.warnings: list[str] = []
        self._digests: dict[str, str] = {}
        self._corrections = read_corrections(store.root, self.warnings.append)

    def records(self) -> list[Record]:
        """In the order of run ids, then the replaced runs that a correction names; what cannot be
        read is reported in ``warnings`` and left where it is.
        """
        paths = [*self._runs(), *self._replaced()]
        jobs = max(1, min(cores(), len(paths) // SHARE))
        size = max(1, math.ceil(len(paths) / jobs))
        starts = range(0, len(paths), size)
        with _without_collection():
            shares = each_apart(lambda start: self._read(paths[start : start + size]), starts, jobs)
        for start in starts:
            self.warnings += shares[start].warnings
            self._digests |= shares[start].digests
        return [record for start in starts for record in shares[start].records]

    def _read(self, paths: Sequence[Path]) -> _Share:
        reader, share = RecordReader(self._histories), _Share([], [], {})
        for path in paths:
            try:
                record = reader.read(path)
            except (*DAMAGE, OSError, UnreadableError) as error:
                share.warnings.append(
                    f"left out: the record {path} cannot be read: {first_line(error)}"
                )
                continue
            if record.status == "done":
                try:
                    share.digests[record.run_id] = self._digest(record)
                except ValueError as error:
                    share.warnings.append(
                        f"the run {path.stem} is left out: {error}; run it again with --force"
                    )
                    continue
            share.records.append(record)
        return share

    def _runs(self) -> list[Path]:
        return sorted(self.store.runs.glob("*.json"), key=operator.attrgetter("name"))

    def _replaced(self) -> list[Path]:
        names = {name for c in self.corrections() for name in (*c.old, *c.new) if REPLACED in name}
        paths = [self.store.file(name, ".json") for name in sorted(names)]
        return [path for path in paths if path.is_file()]

    def corrections(self) -> list[Correction]:
        return self._corrections

    def _digest(self, record: Record) -> str:
        """What the file of a run's predictions states of itself, empty where it is from before
        there were digests. ValueError, by its header, which has its length, where they cannot be
        taken from it.
        """
        path = self.store.file(record.run_id, ".safetensors")
        try:
            header = read_header(path)
            about = header.get(METADATA, {})
            lengths = {header[name]["shape"][0] for name in ("target", "prediction")}
        except (*DAMAGE, OSError, RecursionError) as error:
            reason = first_line(error)
            raise ValueError(f"its predictions {path} cannot be read ({reason})") from error
        if not {"ids", "videos"} <= about.keys():
            raise ValueError(f"{path} holds no predictions")
        if len(lengths) != 1 or record.counts.get("test", min(lengths)) not in lengths:
            raise ValueError(f"{path} holds other numbers of rows than its record")
        if RECORD in about and about[RECORD] != record_key(record):
            raise ValueError(f"the predictions {path} are of another training")
        digest: str = about.get(KEY, "")
        return digest

    def predictions(self, run_id: str) -> Predictions:
        return self.store.predictions(run_id)

    def content(self, run_id: str) -> str:
        """The digest that the file states of itself; of one from before there were any, its own."""
        stated = self._digests.get(run_id)
        return stated or sha256(self.store.file(run_id, ".safetensors").read_bytes()).hexdigest()
