"""Contractions that lost their apostrophe, as in all of MOSI (``I DONT``): a tower was trained on
``don't``, and reads ``dont`` as ``don`` and a suffix, so that half of the negations are lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from merbench.api import pieces_of

_WORD = re.compile(r"(?<![\w'’])[^\W\d_]+(?![\w'’])")
_MORE = {
    **{f"{modal}ve": len(modal) for modal in ("could", "should", "would", "might", "must")},
    **{f"{pronoun}d": len(pronoun) for pronoun in ("you", "they")},
    **{f"{word}s": len(word) for word in ("here", "where", "who", "how")},
    "thatll": 4,
}
"""Contraction -> place of its apostrophe, beside those that word vectors are looked up by."""


def with_apostrophes(texts: Sequence[str | None]) -> tuple[list[str | None], dict[str, float]]:
    """The texts with each lost apostrophe in its place, and what is measured: ``apostrophe_rate``,
    the share of the texts that this changed. Words that are others too (``its``, ``were``,
    ``well``, ``lets``) stay as they are, but for ``cant`` and ``wont``, which are rare.
    """
    mended = [text if text is None else _WORD.sub(_mended, text) for text in texts]
    n_changed = sum(text != original for text, original in zip(mended, texts, strict=True))
    n_texts = sum(text is not None for text in texts)
    return mended, {"apostrophe_rate": n_changed / max(1, n_texts)}


def _mended(match: re.Match[str]) -> str:
    word = match[0]
    at = _MORE.get(word.lower(), "".join(pieces_of(word.lower())).find("'"))
    return word if at < 0 else f"{word[:at]}'{word[at:]}"
