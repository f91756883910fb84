"""Files of word vectors: ``.npz`` with arrays word and vector, or the text form of GloVe and
word2vec.
"""

from __future__ import annotations

import hashlib
from array import array
from codecs import BOM_UTF8
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from merbench.api.did_you_mean import did_you_mean
from merbench.api.errors import DataError, RequestError
from merbench.api.material.word_vectors import Lexicon, Vectors
from merbench.data.folder.arrays import Arrays

SUFFIXES = (".npz", ".txt", ".vec")


def read_vectors(path: Path) -> Vectors:
    """Words in lower case (of duplicates the first is kept) and their vectors, float32.

    Text: one ``word number number ...`` a line, with or without word2vec's header line ``count
    width``. It is read in one pass. Raises DataError naming the file and line.
    """
    if path.suffix == ".npz":
        words, matrix, sha256 = _read_npz(path)
    else:
        words, matrix, sha256 = _read_text(path)
    return Vectors(path.stem, tuple(words), matrix, sha256)


def _read_npz(path: Path) -> tuple[list[str], np.ndarray, str]:
    arrays = Arrays(path)
    words = arrays.array("word", "U", (1,)).tolist()
    matrix = arrays.array("vector", "fiu", (2,), len(words)).astype(np.float32)
    row_of_word: dict[str, int] = {}
    for row, word in enumerate(words):
        row_of_word.setdefault(word.lower(), row)
    if not matrix.size:
        raise DataError(f"{path} holds no vector; give one of at least one word")
    if not (finite := np.isfinite(matrix).all(axis=1)).all():
        raise DataError(
            f"{path}: the vector of {words[int(np.argmin(finite))]!r} is not finite; "
            "take the word out"
        )
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    rows = list(row_of_word.values())
    return list(row_of_word), matrix if len(rows) == len(matrix) else matrix[rows], sha256


def _read_text(path: Path) -> tuple[list[str], np.ndarray, str]:
    digest, reader = hashlib.sha256(), _TextReader(path)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                digest.update(line)
                reader.add(number, line)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or error}); "
            "give a file of word vectors"
        ) from None
    words, matrix = reader.vectors()
    return words, matrix, digest.hexdigest()


class _TextReader:
    """Line by line, the words of GloVe's or word2vec's text form, each once, and their numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.words: dict[str, None] = {}
        self.numbers = array("f")
        self.width = self.promised = self.read = 0

    def add(self, number: int, line: bytes) -> None:
        """DataError for a line that is neither word2vec's first one, empty, nor a word's."""
        if number == 1:
            line = line.removeprefix(BOM_UTF8)
            fields = line.split(None, 2)
            if len(fields) == 2 and all(f.isdigit() for f in fields):
                self.promised, self.width = int(fields[0]), int(fields[1])
                return
        if not line.strip():
            return
        self.width = self.width or len(line.split()) - 1
        # From the right: some files have words with blanks in them.
        word, *values = line.rsplit(None, self.width) if self.width else (line,)
        if not self.width or len(values) != self.width:
            raise self._error(number, f"not a word and {self.width or 'its'} numbers")
        self.read += 1
        try:
            name = word.decode().strip().lower()
            if name in self.words:
                return
            self.numbers.extend(map(float, values))
        except ValueError:  # of float, or UnicodeDecodeError
            raise self._error(number, "not UTF-8 text with numbers") from None
        if not np.isfinite(sum(self.numbers[-self.width :])):
            raise DataError(
                f"{self.path}, line {number}: the vector of {name!r} is not finite; "
                "take the line out"
            )
        self.words[name] = None

    def vectors(self) -> tuple[list[str], np.ndarray]:
        """DataError where there are none, or others than the first line promises."""
        if not self.words:
            raise DataError(
                f"{self.path} holds no vector; give GloVe's text form, "
                "or .npz with the arrays word and vector"
            )
        if self.promised and self.promised != self.read:
            raise DataError(
                f"{self.path} promises {self.promised} words in line 1 and holds {self.read}; "
                "copy the file again"
            )
        matrix = np.frombuffer(self.numbers, dtype=np.float32).reshape(-1, self.width)
        return list(self.words), matrix

    def _error(self, number: int, problem: str) -> DataError:
        return DataError(f"{self.path}, line {number}: {problem}; give GloVe's text form, or .npz")


def offered_vectors(homes: Sequence[Path]) -> list[Path]:
    """The vector files in HOME/vectors, sorted by name, of the first home that has any."""
    for home in homes:
        folder = home / "vectors"
        if folder.is_dir() and (
            files := sorted(
                p
                for p in folder.iterdir()
                if p.suffix in SUFFIXES and not p.name.startswith(".") and p.is_file()
            )
        ):
            return files
    return []


def open_lexicon(names_or_paths: Sequence[str], homes: Sequence[Path]) -> Lexicon | None:
    """The named files side by side: names of offered files (with or without suffix), or paths. None
    named: all that are offered.

    They stand in the order of their names, since a run is known by these: so two files may not
    share one. Returns None where nothing is named and nothing is offered. Raises RequestError for a
    name that is neither.
    """
    offered = offered_vectors(homes)
    by_name = {p.stem: p for p in offered} | {p.name: p for p in offered}
    paths = []
    for name in names_or_paths:
        if name not in by_name and not Path(name).is_file():
            looked_in = ", ".join(str(home / "vectors") for home in homes) or "no data home"
            raise RequestError(
                f"word vectors {name!r} are neither a file nor offered in {looked_in}; "
                f"{did_you_mean(name, {p.stem for p in offered})}"
            )
        paths.append(by_name.get(name) or Path(name))
    chosen = sorted(set(paths or offered), key=lambda path: (path.name, path))
    for first, second in pairwise(sorted(chosen, key=lambda path: path.stem)):
        if first.stem == second.stem:
            raise RequestError(
                f"the word vectors {first} and {second} are both called {first.stem!r}, "
                "and runs distinguish them by that name; rename one, "
                "or name one alone with --vectors FILE"
            )
    return Lexicon(tuple(map(read_vectors, chosen))) if chosen else None
