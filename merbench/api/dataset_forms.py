"""Forms: the ways in which others keep a data set, and what a form writes into when ``merbench data
add`` converts one.

A form reads what the user has and hands it to a ``Sink`` row by row; the sink owns everything that
makes a conversion safe: bounded memory, resuming after a kill, the order of rows, checksums,
counts, and that nothing is seen before all of it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from merbench.api.declarations.config import Config
from merbench.api.material.types import Modality

PICKLES = (".pkl", ".pickle", ".p", ".pt", ".pth")
"""Suffixes of files that are read by the restricted unpickler."""


class Source:
    """What the user points at: a file or a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def pickle(self) -> Any:
        """What a pickle or a torch file holds (``merbench.api.pickles``), read once for all forms;
        None where it is neither.
        """
        from merbench.api.pickles import unpickle

        return (
            unpickle(self.path)
            if self.path.is_file() and self.path.suffix.lower() in PICKLES
            else None
        )


class Sink(Protocol):
    """What a form writes into. ``table`` comes first; every other call joins to its rows by id.

    An id is video_id + "_" + clip_id. ``ids`` of a call are the form's own, in any order;
    ``read(i)`` gives the signal of ``ids[i]``, or None where it has none. It is called one row at a
    time, in the order of the table (video after video), never twice, and after a kill only for rows
    that were not written yet; a stream that was finished is not read at all. An id that the table
    lacks is counted as refused, by name; a row of the table that ``ids`` lacks has no signal in
    this stream.
    """

    @property
    def ids(self) -> Sequence[str]:
        """The rows' ids, in the order of the table."""
        ...

    def source(self, path: Path) -> str:
        """Name a file that is read: its SHA-256 goes into the manifest with name and size."""
        ...

    def columns(self, path: Path) -> Mapping[str, Sequence[str]]:
        """The columns of a CSV file with a header, as strings. DataError, naming the line, where it
        is none.
        """
        ...

    def expect(self, size: int) -> None:
        """About so many bytes will be written: refused now, in one sentence, where the disk has no
        room for them.
        """
        ...

    def table(self, columns: Mapping[str, Sequence[str]]) -> None:
        """The columns of ``label.csv``: video_id and clip_id, then any of text, label, mode (train,
        valid, test), ...

        A second row of one id is refused. Where the data set is there already, its rows stay:
        columns and cells it lacks are joined to them by id, those it has are left as they are
        (cells that differ are counted). DataError where many labels differ.
        """
        ...

    def task(self, name: str, **spec: Any) -> None:
        """A task as ``dataset.toml`` describes it; left out where the data set has one of this
        name.
        """
        ...

    def protocol(self, name: str, **spec: Any) -> None:
        """A split protocol as ``dataset.toml`` describes it; left out where the data set has one of
        this name.
        """
        ...

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
        """A stream of kind ``features``. ``read(i)``: [L, width] numbers of any type, kept as
        float32; NaN and inf are kept and counted.
        """
        ...

    def words(
        self,
        name: str,
        ids: Sequence[str],
        read: Callable[[int], tuple[Sequence[str], np.ndarray | None] | None],
        *,
        note: str = "",
    ) -> None:
        """A stream of kind ``words``. ``read(i)``: the words, and the start and end of each in
        seconds [L, 2], or None.
        """
        ...

    def stream(self, name: str, **spec: Any) -> None:
        """A stream as ``dataset.toml`` describes it, over a column of the table or a file given to
        ``file`` or ``link``.
        """
        ...

    def folder(self, path: Path) -> None:
        """Take over a feature folder: all that its ``dataset.toml`` describes and names."""
        ...

    def file(self, path: Path, name: str) -> str:
        """Copy a file to ``name`` inside the data set's folder. The name that it has there:
        another, where another file has this one.
        """
        ...

    def link(self, path: Path, name: str) -> str:
        """A symbolic link ``name`` inside the data set's folder to ``path``, which stays where it
        is (folders of clips). Its name there.
        """
        ...

    def refuse(self, row: str, why: str) -> None:
        """Count a row of the source that is not taken over, by name."""
        ...

    def note(self, sentence: str) -> None:
        """A sentence for the user, kept in the manifest."""
        ...


class Form(Protocol):
    """The factory of a form. ``looks_for`` says in a few words what it recognises. Not a Module.
    ``Config``: what ``--set`` may set.
    """

    looks_for: str

    def __init__(self, config: Config) -> None: ...
    def recognise(self, source: Source) -> str:
        """Why ``source`` is not of this form, in a few words; empty where it is. DataError: it is,
        and it is broken or not safe.
        """
        ...

    def convert(self, source: Source, sink: Sink) -> None:
        """Hand everything to the sink, the same calls in the same order each time. DataError,
        naming the file and the fix, where it cannot.
        """
        ...
