"""Word vectors, one or several files side by side."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

# Letters of scripts that put no spaces between words (UAX #14, classes SA, AK, ID and CJ): Thai,
# Lao, Myanmar, Khmer, Buginese, Tai, Balinese, Batak, Javanese, Yi, bopomofo, kana, Han.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a00-\u1aaf\u1b00-\u1b7f\u1bc0-\u1bff"
    "\u3005-\u3007\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48f"
    "\ua980-\ua9ff\uaa60-\uaadf\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_LETTER = rf"[^\W_{_UNSPACED}]"
_UNSEEN = "\u00ad\u0640\u2060\ufeff"
"""What does not change a word: a soft hyphen, what stretches an Arabic letter, joiners of words."""
# How the common vector files (GloVe, trained on Penn-Treebank tokens) split contractions, also when
# the apostrophe was lost.
_NOT = re.compile(
    r"^(?P<verb>ca|wo|do|did|does|is|are|was|were|have|has|had|could|should|would|must|need|ai)"
    r"n['’]?t$"
)
_TAIL = re.compile(r"^(?P<word>\w+)['’](?P<tail>s|re|ve|ll|d|m)$")
_LOST = {
    "im": ("i", "'m"),
    "ive": ("i", "'ve"),
    "thats": ("that", "'s"),
    "theres": ("there", "'s"),
    "whats": ("what", "'s"),
    "youre": ("you", "'re"),
    "theyre": ("they", "'re"),
    "youve": ("you", "'ve"),
    "theyve": ("they", "'ve"),
    "weve": ("we", "'ve"),
    "youll": ("you", "'ll"),
    "theyll": ("they", "'ll"),
    "hes": ("he", "'s"),
    "shes": ("she", "'s"),
    "itll": ("it", "'ll"),
    "cannot": ("can", "not"),
    "gonna": ("gon", "na"),
    "wanna": ("wan", "na"),
}


def words_of(text: str) -> list[str]:
    """Lower-case words of a transcript or label text, apostrophes kept inside a word; of a script
    without spaces each character by itself. Marks (vowel signs of Hindi, Arabic and Thai, accents
    written apart) belong to their letter; wide, narrow and styled letters are read as the plain
    ones (``ＯＫ`` as ``ok``).
    """
    if text.isascii():
        return _pieces(False).findall(text.lower())
    plain = unicodedata.normalize("NFC", text.translate(_plain_letters()))
    return _pieces(True).findall(plain.lower())


@cache
def _plain_letters() -> dict[int, str | None]:
    """What is read in place of a character; None = nothing."""
    plain: dict[int, str | None] = dict.fromkeys(map(ord, _UNSEEN))
    plain |= dict.fromkeys(map(ord, "’ʼ"), "'")
    for code in (*range(0x2100, 0x2150), *range(0xFF00, 0xFFF0), *range(0x1D400, 0x1D800)):
        kind, _, letter = unicodedata.decomposition(chr(code)).partition(" ")
        if kind in ("<wide>", "<narrow>", "<font>"):
            plain[code] = chr(int(letter, 16))
    return plain


@cache
def _pieces(marked: bool) -> re.Pattern[str]:
    """``marked``: letters may have marks, which are many and slow to look for."""
    marks = _marks() if marked else "\u0300"
    letters = rf"{_LETTER}(?:{_LETTER}|[{marks}])*"
    return re.compile(rf"(?!_)(?=\w)[{_UNSPACED}][{marks}]*|{letters}(?:'{letters})*|'?{letters}")


def _marks() -> str:
    """All marks that are set beside, above or below a letter, and what joins letters unseen."""
    planes = map(chr, range(0x300, 0x20000))
    return "\u200c\u200d" + "".join(c for c in planes if unicodedata.category(c) in ("Mn", "Mc"))


def pieces_of(word: str) -> tuple[str, ...]:
    """The pieces that vector files may hold in place of a contraction: ``didnt`` and ``didn't`` ->
    ``did``, ``n't``.
    """
    if match := _NOT.match(word):
        return match["verb"], "n't"
    if match := _TAIL.match(word):
        return match["word"], "'" + match["tail"]
    return _LOST.get(word, (word,))


@dataclass(frozen=True)
class Vectors:
    """One file of word vectors: ``words`` (lower case, unique) and ``matrix`` [V, D] float32."""

    name: str
    words: tuple[str, ...]
    matrix: np.ndarray
    sha256: str = ""

    @cached_property
    def scaled(self) -> np.ndarray:
        """[V, D]: columns centred, then divided by the standard deviation of all cells.

        Files differ in scale by a factor of five or more, so that side by side one would drown the
        other; and zero, which stands for an unknown word, becomes the mean of the known ones. No
        label and no data set is read.
        """
        centred = np.asarray(self.matrix, dtype=np.float32) - np.asarray(
            self.matrix, dtype=np.float32
        ).mean(axis=0)
        scaled: np.ndarray = centred / max(float(centred.std()), 1e-12)
        return scaled

    @cached_property
    def index(self) -> Mapping[str, int]:
        return {word: i for i, word in enumerate(self.words)}

    def find(self, word: str) -> np.ndarray | None:
        """[D]: the word's vector (of ``scaled``), else the mean of its pieces that are known, else
        None.
        """
        for pieces in ((word,), pieces_of(word)):
            rows = [self.index[p] for p in pieces if p in self.index]
            if rows:
                mean: np.ndarray = self.scaled[rows].mean(axis=0)
                return mean
        return None


@dataclass(frozen=True)
class Lexicon:
    """Vector files side by side: a word's vector is the concatenation of each file's (``scaled``),
    zeros where a file does not know it.
    """

    files: tuple[Vectors, ...]

    def __deepcopy__(self, memo: dict[int, object]) -> Lexicon:
        """Itself: it never changes, and a copy of a model would hold all its vectors again."""
        return self

    @property
    def width(self) -> int:
        """D: sum of the files' widths."""
        return sum(f.matrix.shape[1] for f in self.files)

    def table(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """``(vectors [len(words), D] float32, known [len(words)] bool)``; an unknown word is a row
        of zeros.
        """
        out = np.zeros((len(words), self.width), dtype=np.float32)
        known = np.zeros(len(words), dtype=bool)
        column = 0
        for file in self.files:
            end = column + file.matrix.shape[1]
            for i, word in enumerate(words):
                if (vector := file.find(word.lower())) is not None:
                    out[i, column:end] = vector
                    known[i] = True
            column = end
        return out, known

    def phrases(self, texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """``(vectors [n, D], known [n] bool)`` of phrases: the mean of their known words; known =
        at least one is.
        """
        rows, known = [], []
        for text in texts:
            vectors, is_known = self.table(words_of(text))
            rows.append(
                vectors[is_known].mean(axis=0)
                if is_known.any()
                else np.zeros(self.width, dtype=np.float32)
            )
            known.append(bool(is_known.any()))
        return np.stack(rows), np.array(known)
