"""A stream of kind ``words`` as a file: a vocabulary, and numbers into it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from merbench.data.folder.stream_file import finish


class WordsFile:
    """Rows of words, in memory until they are written; ``start`` and ``end`` in seconds where every
    row has them.
    """

    def __init__(self) -> None:
        self._rows: list[Sequence[str]] = []
        self._times: list[np.ndarray] = []

    def append(self, words: Sequence[str], times_L2: np.ndarray | None) -> None:
        self._rows.append(words)
        if times_L2 is not None:
            self._times.append(np.asarray(times_L2, dtype="<f4").reshape(len(words), 2))

    def complete(self, ids: Sequence[str], part: Path, target: Path) -> tuple[int, int]:
        """Write to ``part`` and move to ``target``: (rows without a word, words)."""
        vocabulary = sorted({word for row in self._rows for word in row})
        number = {word: i for i, word in enumerate(vocabulary)}
        lengths = [len(row) for row in self._rows]
        arrays = {
            "offset": np.concatenate([[0], np.cumsum(lengths)]).astype("<i8"),
            "word": np.array([number[word] for row in self._rows for word in row], dtype="<i4"),
        }
        if len(self._times) == len(self._rows) and self._rows:
            start, end = np.ascontiguousarray(np.concatenate(self._times).T)
            arrays |= {"start": start, "end": end}
        with part.open("wb") as file:
            finish(file, None, {"id": list(ids), "vocab": vocabulary}, arrays)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
        return lengths.count(0), len(arrays["word"])
