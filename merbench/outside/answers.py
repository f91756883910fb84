"""Free text of a language model -> labels. What holds none, or several, is not guessed at."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from merbench.api.material.types import LabelSpace

_NUMBER = re.compile(
    r"(?<![\w.+-])(?<!\d[/:,])"  # not the rest of a word, range, fraction or other number
    r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)"
    r"(?!\w|[-/:,.]\d|\s*%)"  # nor the beginning of one
)
_DASHES = re.compile("[\u2010-\u2015\u2212]")
_SIGN_OR_BULLET = re.compile(r"(?<!\S)[-+]\s+\.?\d")
_NOT = r"(?:\b(?:not|no|nor|neither|never|without)|n['\u2019]t)\s+(?:(?:an?|any|really|very)\s+)?"
"""Before a label."""
_NOT_ONE = (
    r"""["'*]*\s*[-:=(]\s*["'*]*"""
    r"(?:(?:no|false|null|absent)\b"
    r"|(?!1(?:\.0+)?\b(?!\.\d))\.?\d)"  # any number but 1
)
"""After a label: ``: no``, ``= 0.2``, ``(30 %)``."""
_NONE = re.compile(r"\b(none|no labels?|nothing|neither)\b|^\s*\[\s*\]\s*$", re.IGNORECASE)


def parse(answer: object, space: LabelSpace) -> np.ndarray | None:
    """[1] of a score, else [C] with 1 for each label; None where the answer is no answer.

    A score is the only number in the text, or the only anchor word; a class the only label word;
    labels are all label words, or ``none``. Words count in any letter case and as whole words. A
    number beside a word of the other half of the scale, as ``negative 2``, is no answer; nor are
    labels that are denied (``not sad``) or have values other than 1 and yes (``sad: 0, joy: 1``).
    """
    text = answer if isinstance(answer, str) else "" if answer is None else str(answer)
    text = _DASHES.sub("-", unicodedata.normalize("NFKC", text))
    if space.kind == "score":
        return _score(text, space)
    labels = _labels(text, space)
    if labels is None:
        return None
    if space.kind == "class":
        return labels if labels.sum() == 1 else None
    return labels if labels.any() or _NONE.search(text) else None


def as_wrong_as_can_be(target: np.ndarray, space: LabelSpace, common: np.ndarray) -> np.ndarray:
    """What counts in place of an answer that could not be parsed: the end of the scale that is
    farther off, the most common other class, the opposite of each label.

    ``target``: of one row. ``common`` [C]: how often each class occurs on the train split.
    """
    if space.anchors is not None:
        low, high = space.anchors[0], space.anchors[-1]
        return np.array([high if target - low < high - target else low])
    if space.kind == "multilabel":
        return np.where(np.nan_to_num(target) > 0, 0.0, 1.0)
    other_words = np.where(np.arange(len(space.words)) == target, -1, common)
    wrong_C: np.ndarray = np.eye(len(space.words))[other_words.argmax()]
    return wrong_C


def _score(text: str, space: LabelSpace) -> np.ndarray | None:
    assert space.anchors is not None
    labels = _labels(text, space)
    if labels is None or _SIGN_OR_BULLET.search(text):
        return None
    words = {anchor for anchor, is_named in zip(space.anchors, labels, strict=True) if is_named}
    text = re.sub(r"\bminus\s+(?=[\d.])", "-", text, flags=re.IGNORECASE)
    numbers = {float(number) for number in _NUMBER.findall(text)}
    low, high = space.anchors[0], space.anchors[-1]
    if len(numbers or words) != 1:
        return None
    (score,) = numbers or words
    middle = (low + high) / 2
    contradicted = any((score - middle) * (word - middle) < 0 for word in words)
    return np.array([score]) if low <= score <= high and not contradicted else None


def _labels(text: str, space: LabelSpace) -> np.ndarray | None:
    """[C] 1 for each label word in the text; in "strongly negative" there is no "negative". None
    where a label is denied, or has another value than 1, which an anchor word of a score may have.
    """
    named_C = np.zeros(len(space.words))
    for c in sorted(range(len(space.words)), key=lambda c: -len(space.words[c])):
        parts = map(re.escape, re.split(r"[\s_-]+", space.words[c]))
        word = r"[\s_-]+".join(parts)
        word = rf"(?<!\w){word}(?!\w)"
        denied = rf"{_NOT}{word}" + ("" if space.kind == "score" else rf"|{word}{_NOT_ONE}")
        if re.search(denied, text, re.IGNORECASE):
            return None
        text, count = re.subn(word, " ", text, flags=re.IGNORECASE)
        named_C[c] = count > 0
    return named_C
