"""Random label queries for parts that take them."""

from __future__ import annotations

import torch

from merbench.api import Component, LabelSpace, Queries
from merbench.api.declarations.component import BY_MODALITY, LANGUAGE_MODEL
from merbench.testing.verdict import Skip

QUERY_WIDTH = 10

AUDIO_WIDTH = 4
"""Of label vectors that audio has of its own."""

_OF_LABELS = {"queries", "graph", BY_MODALITY}


def needs_labels(component: Component) -> bool:
    """True if a fusion or head cannot do without a label encoder. Skip where it needs more than
    tiny queries and a tiny language model have.
    """
    if others := sorted(set(component.needs) - _OF_LABELS - {LANGUAGE_MODEL}):
        raise Skip(f"needs {' and '.join(others)}: checked in the recipes that have it")
    return not _OF_LABELS.isdisjoint(component.needs)


def tiny_queries(space: LabelSpace, own_audio: bool = False) -> Queries:
    """[C, QUERY_WIDTH] label queries with a random graph; ``own_audio``: others for audio."""
    draw = torch.Generator().manual_seed(7)
    labels = len(space.words)
    emb_CD = torch.randn(labels, QUERY_WIDTH, generator=draw)
    queries = Queries(emb_CD, torch.rand(labels, labels, generator=draw))
    if not own_audio:
        return queries
    return queries._replace(by_modality={"audio": torch.randn(labels, AUDIO_WIDTH, generator=draw)})
