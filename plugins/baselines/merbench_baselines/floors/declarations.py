"""The floors: what every model is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from merbench.api import Ablation, Case, Component, Recipe
from merbench_baselines.declare import PAIRS, SINGLES, VECTORS, part

IDS = {"words": "word-ids", "strings": "word-ids"}
STEADY = {"encoder.word_dropout": None}
"""A closed form is fitted once, on words as they are."""
SENTENCE = (Case(offers=("text.tower",), settings={"encoder.text.pooled": True}),)
"""A pretrained text encoder gives one vector a text."""


def components() -> Iterator[Component]:
    text = ("text",)
    yield part(
        "model",
        "majority",
        "floors.majority:Majority",
        "train median or label shares",
        min_modalities=0,
    )
    yield part("model", "ridge", "floors.ridge:Ridge", "ridge on pooled inputs")
    yield part("model", "svr", "floors.svr:Svr", "support vector regression on pooled inputs")
    yield part(
        "model",
        "tfidf-ridge",
        "floors.tfidf:TfidfRidge",
        "ridge on tf-idf of words and word pairs",
        required_modalities=text,
    )
    yield part(
        "model",
        "zero-shot",
        "floors.zero_shot:ZeroShot",
        "transcript against label words",
        required_modalities=text,
        pretrained=("vectors",),
    )


def recipes() -> Iterator[Recipe]:
    yield _majority()
    yield _on_pooled_inputs("ridge", "ridge")
    yield _on_pooled_inputs("svr", "support vector regression", runs_along=False)
    yield _tfidf_ridge()
    yield _zero_shot()


def _majority() -> Recipe:
    return Recipe(
        name="majority",
        summary="the same answer for every row",
        model="majority",
        encoders={},
        objective=(),
        min_modalities=0,
        closed_form=True,
        floor=True,
    )


def _on_pooled_inputs(name: str, summary: str, **differs: Any) -> Recipe:
    return Recipe(
        name=name,
        summary=f"{summary} on mean, max and min pooled inputs",
        model=name,
        encoders=VECTORS,
        objective=(),
        closed_form=True,
        floor=True,
        search=STEADY,
        cases=SENTENCE,
        ablations=(*SINGLES, *PAIRS),
        **differs,
    )


def _tfidf_ridge() -> Recipe:
    return Recipe(
        name="tfidf-ridge",
        summary="ridge on tf-idf of the transcript's words and word pairs",
        model="tfidf-ridge",
        encoders=IDS,
        objective=(),
        modalities=("text",),
        closed_form=True,
        warm_start=True,
        floor=True,
        ablations=(
            Ablation(
                name="no-bigrams",
                summary="single words only",
                settings={"model.bigrams": False},
            ),
        ),
    )


def _zero_shot() -> Recipe:
    return Recipe(
        name="zero-shot",
        summary="cosine of the transcript to the label words",
        model="zero-shot",
        encoders={"words": "word-vectors", "strings": "word-vectors"},
        objective=(),
        modalities=("text",),
        closed_form=True,
        floor=True,
        search=STEADY,
        ablations=(
            Ablation(
                name="gloss",
                summary="label glosses in place of label words",
                settings={"model.text": "gloss"},
            ),
        ),
    )
