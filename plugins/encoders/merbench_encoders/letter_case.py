"""Upper-case transcripts: MOSI has no lower-case letter, and a cased tower reads shouted fragments
of words there (1.58 pieces a word in place of 1.07).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

LetterCase = Literal["auto", "yes", "no"]
"""``lower`` of the text towers. ``auto``: a text without any lower-case letter is read in lower
case; a row's result depends on that row alone.
"""


def lowered(
    texts: Sequence[str | None], lower: LetterCase
) -> tuple[list[str | None], dict[str, float]]:
    """The texts as a tower reads them, and what is measured: ``lowered_rate``, the share of the
    texts that this changed (left out where it is none).
    """
    changed = [text.lower() if _applies(text, lower) else text for text in texts]
    n_changed = sum(
        original != lowered_text for original, lowered_text in zip(texts, changed, strict=True)
    )
    n_texts = sum(text is not None for text in texts)
    return changed, {"lowered_rate": n_changed / n_texts} if n_changed else {}


def _applies(text: str | None, lower: LetterCase) -> bool:
    return text is not None and (lower == "yes" or (lower == "auto" and text.isupper()))
