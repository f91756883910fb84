"""Label words as texts that a text tower or word vectors can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from merbench.api.errors import RequestError
from merbench.api.material.types import LabelSpace
from merbench.api.material.word_vectors import Lexicon

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


def label_word_vectors(
    part: str,
    space: LabelSpace,
    lexicon: Lexicon | None,
    texts: Sequence[str],
    otherwise: str = "",
    slot: str = "label_encoder",
) -> np.ndarray:
    """[C, D] float32: of each of ``texts``, one a label, the mean vector of its known words.

    Raises RequestError, naming ``part``, where the run has no vectors (``otherwise``: what a user
    can do then but give some), knows no word of a label, or cannot tell two labels apart.
    ``slot``: whose setting ``text`` chooses what is read of a label.
    """
    if lexicon is None:
        ways = ["put files under MERBENCH_DATA/vectors", "name one with --vectors FILE"]
        ways += [otherwise] if otherwise else []
        raise RequestError(
            f"{part} reads word vectors and this run has none; {', '.join(ways[:-1])} or {ways[-1]}"
        )
    emb_CD, known_C = lexicon.phrases(texts)
    check_label_vectors(space, emb_CD, known_C, texts, slot)
    return emb_CD


def check_label_vectors(
    space: LabelSpace,
    emb_CD: np.ndarray,
    known_C: np.ndarray | None = None,
    texts: Sequence[str] = (),
    slot: str = "label_encoder",
) -> None:
    """Refuse label vectors that cannot tell the labels apart: a label with no known word, or two
    labels with equal vectors.

    ``texts``: what was read of each label; its word where nothing is given. ``slot``: whose setting
    ``text`` chooses that. Raises RequestError naming the labels.
    """
    texts = texts or space.words
    if known_C is not None and not known_C.all():
        unknown = np.flatnonzero(~known_C).tolist()
        words = ", ".join(repr(space.words[c]) for c in unknown)
        raise RequestError(
            f"no word of the label text of {words} has a vector; "
            f"give vectors that know it, or {_another_text(space, texts, unknown, slot)}"
        )
    unit = emb_CD / np.maximum(np.linalg.norm(emb_CD, axis=1, keepdims=True), 1e-12)
    for i in range(len(unit)):
        for j in range(i):
            if np.allclose(unit[i], unit[j], atol=1e-6):
                raise RequestError(
                    f"the labels {space.words[j]!r} and {space.words[i]!r} have the same vector, "
                    "so no model can distinguish them; "
                    f"give them different words, or {_another_text(space, texts, (i, j), slot)}"
                )


def derangement(size: int) -> np.ndarray:
    """[size] int: a fixed random permutation that leaves nothing in its place (one label has no
    other place), for the control in which each label has another's vector.
    """
    draw = np.random.default_rng(0)
    order = draw.permutation(size)
    while size > 1 and (order == np.arange(size)).any():
        order = draw.permutation(size)
    return order


def _another_text(space: LabelSpace, texts: Sequence[str], labels: Sequence[int], slot: str) -> str:
    """What helps where vectors do not know the ``texts`` of these labels: their glosses where they
    are other texts, else glosses that the user writes.
    """
    if all(space.glosses[c] not in texts[c] for c in labels):
        return f"use its gloss ({slot}.text=gloss)"
    return (
        "write glosses of words that they know into the task in dataset.toml "
        f"(glosses = [...], read with {slot}.text=gloss)"
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
    "neutral": "calm and quiet, without any strong feeling",
    "excited": "feeling excited and full of energy, looking forward to something great",
    "frustrated": "feeling stuck and upset when something does not work again and again",
    "worried": "feeling nervous that something bad may happen",
    "contempt": "looking down on someone who deserves no respect",
}
"""Glosses of the six MOSEI emotions, and of those that MELD, IEMOCAP, CREMA-D and MER name too."""

_SAME_FEELING = {
    "joy": "happy",
    "happiness": "happy",
    "sadness": "sad",
    "angry": "anger",
    "surprised": "surprise",
    "disgusted": "disgust",
    "fearful": "fear",
    "excitement": "excited",
    "frustration": "frustrated",
    "worry": "worried",
}
"""Another form of a word -> the word whose gloss it has, where both are not labels of one task."""


def usual_glosses(words: Sequence[str]) -> tuple[str, ...]:
    """The gloss of each label word where its data set gives none: that of ``SENTIMENT`` (its seven
    words together) or of ``GLOSSES`` (joy has that of happy), else the word itself.
    """
    if tuple(words) == SENTIMENT.words:
        return SENTIMENT.glosses
    return tuple(_gloss(word, words) for word in words)


def _gloss(word: str, words: Sequence[str]) -> str:
    feeling = word.lower()
    synonym = _SAME_FEELING.get(feeling, feeling)
    if synonym != feeling and synonym in words:
        return word
    return GLOSSES.get(synonym, word)
