"""Label words as texts that a text tower or word vectors can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from merbench.api.errors import RequestError
from merbench.api.material.types import LabelSpace

TextForm = Literal["word", "template", "gloss", "word+gloss"]


def label_texts(
    space: LabelSpace, form: TextForm = "word", template: str = "a person who feels {}"
) -> tuple[str, ...]:
    """One text a label, in the order of ``space.words``: the bare word, the template filled with
    it, its gloss, or both joined.
    """
    if form == "word":
        return space.words
    if form == "template":
        if "{}" not in template:
            raise RequestError(
                f"the label template {template!r} has no {{}} for the label word; "
                "write one, such as 'a person who feels {}'"
            )
        return tuple(template.replace("{}", word) for word in space.words)
    if form == "gloss":
        return space.glosses
    return tuple(f"{word}: {gloss}" for word, gloss in zip(space.words, space.glosses, strict=True))


def check_label_vectors(
    space: LabelSpace, emb_CD: np.ndarray, known_C: np.ndarray | None = None
) -> None:
    """Refuse label vectors that cannot tell the labels apart: a label with no known word, or two
    labels with equal vectors.

    Raises RequestError naming the labels.
    """
    if known_C is not None and not known_C.all():
        unknown = ", ".join(repr(w) for w, k in zip(space.words, known_C, strict=True) if not k)
        raise RequestError(
            f"no word of the label text of {unknown} has a vector; "
            "give vectors that know it, or use its gloss (label_encoder.text=gloss)"
        )
    unit = emb_CD / np.maximum(np.linalg.norm(emb_CD, axis=1, keepdims=True), 1e-12)
    for i in range(len(unit)):
        for j in range(i):
            if np.allclose(unit[i], unit[j], atol=1e-6):
                raise RequestError(
                    f"the labels {space.words[j]!r} and {space.words[i]!r} have the same vector, "
                    "so no model can tell them apart; "
                    "give them different words, or use their glosses (label_encoder.text=gloss)"
                )


SENTIMENT = LabelSpace(
    kind="score",
    words=(
        "strongly negative",
        "negative",
        "slightly negative",
        "neutral",
        "slightly positive",
        "positive",
        "strongly positive",
    ),
    glosses=(
        "a terrible and awful experience, hated with anger",
        "a bad experience, disliked",
        "a little bad, rather disappointing",
        "neither good nor bad, without any feeling",
        "a little good, rather nice",
        "a good experience, liked",
        "a wonderful and great experience, loved with joy",
    ),
    anchors=(-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0),
)
"""Sentiment in [-3, 3] (MOSI, MOSEI), as seven ordinal words."""

GLOSSES = {
    "happy": "feeling joy and pleasure, smiling and glad",
    "sad": "feeling sorrow and loss, crying and unhappy",
    "anger": "feeling angry and furious, mad about something unfair",
    "surprise": "feeling surprised by something sudden and unexpected",
    "disgust": "feeling sick at something gross, dirty or offensive",
    "fear": "feeling afraid, scared and worried about danger",
}
"""Glosses of the six MOSEI emotions."""


def usual_glosses(words: Sequence[str]) -> tuple[str, ...]:
    """The gloss of each label word where its data set gives none: that of ``SENTIMENT`` (its seven
    words together) or of ``GLOSSES``, else the word itself.
    """
    if tuple(words) == SENTIMENT.words:
        return SENTIMENT.glosses
    return tuple(GLOSSES.get(word, word) for word in words)
