"""``--text-tower NAME``: any recipe on one pretrained text encoder in the place of word vectors.

Nothing but ordinary settings comes of it: the stream of transcripts, ``encoder.text=hf-text`` and
its model, where a recipe reads label words ``label_encoder=label-hf`` with the same model, and
``train.by_length``, since a tower's time goes with what is padded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merbench.api import Config, Corpus, Modality, Recipe, RequestError, Stream
from merbench.api.declarations.component import LANGUAGE_MODEL
from merbench.engine.plan.settings import configured
from merbench.host.catalog import Catalog

OFFER = "text.tower"
"""In ``Case.offers``: the run has a text tower."""
ENCODER, LABEL_ENCODER = "hf-text", "label-hf"
_PRETRAINED = {"vectors", "weights"}


def with_transcripts(corpus: Corpus, offered: Mapping[Modality, Stream]) -> dict[Modality, Stream]:
    """What is offered, with the transcripts as strings in the place of the text stream."""
    strings = [s for s in corpus.streams.values() if s.modality == "text" and s.kind == "strings"]
    if (chosen := offered.get("text")) and chosen.kind == "strings":
        return dict(offered)
    if not strings:
        raise RequestError(
            f"--text-tower reads transcripts, and dataset {corpus.name} has no text stream of kind "
            f"strings; its streams are {', '.join(corpus.streams)}"
        )
    if chosen:  # a task with streams of its own has transcripts of its own, named after its words
        strings.sort(key=lambda s: not s.name.startswith(chosen.name))
    return {"text": strings[0], **{m: s for m, s in offered.items() if m != "text"}}


def with_tower(recipe: Recipe, model: str, catalog: Catalog) -> Recipe:
    """The recipe with a tower for what it starts from word vectors or other weights.

    What counts words (``word-ids``), learns a vector a label, or compares word vectors itself stays
    as it is. RequestError for the name of an encoder.
    """
    if model in catalog.names("encoder") and not Path(model).is_dir():
        raise RequestError(
            f"--text-tower names a pretrained model, such as minilm, and {model} is an encoder, "
            f"which --encoder text={model} chooses"
        )
    encoders, settings = dict(recipe.encoders), dict(recipe.settings)
    reader = encoders.get("text.strings") or encoders.get("strings")
    if reader and not _reads_vectors(recipe, catalog) and _starts(catalog, "encoder", reader):
        inside = LANGUAGE_MODEL in catalog.component("encoder", reader).provides
        encoders["text.strings"] = reader if inside else ENCODER
        settings = {"encoder.text.model": model, "train.by_length": True, **settings}
    labels = settings.get("label_encoder", recipe.label_encoder)
    # One that provides more than queries (a graph, say) has no other in its place.
    provides_extras = labels and catalog.component("label-encoder", labels).provides
    if labels and not provides_extras and _starts(catalog, "label-encoder", labels):
        settings |= {"label_encoder": LABEL_ENCODER, "label_encoder.model": model}
    return dataclasses.replace(recipe, encoders=encoders, settings=settings)


def tower_weights(model: str, catalog: Catalog) -> dict[str, str]:
    """Name -> SHA-256 of the tower that a track offers, whether or not a model reads it."""
    component = catalog.component("encoder", ENCODER)
    factory = catalog.load(component)
    config = configured(
        getattr(factory, "Config", Config), {"model": model}, "encoder.text", f"encoder {ENCODER}"
    )
    weights: dict[str, str] = factory.pretrained(config)
    return weights


def chosen_by_hand(settings: Mapping[str, Any], catalog: Catalog) -> bool:
    """True if ``--encoder text=NAME`` names a pretrained tower."""
    name = settings.get("encoder.text")
    if not isinstance(name, str) or name not in catalog.names("encoder"):
        return False
    return "weights" in catalog.component("encoder", name).pretrained


def _reads_vectors(recipe: Recipe, catalog: Catalog) -> bool:
    if recipe.model is None:
        return False
    return "vectors" in catalog.component("model", recipe.model).pretrained


def _starts(catalog: Catalog, kind: Any, name: str) -> bool:
    return bool(_PRETRAINED & set(catalog.component(kind, name).pretrained))
