"""Random label queries for parts that take them."""

from __future__ import annotations

import torch

from merbench.api import LabelSpace, Queries

QUERY_WIDTH = 10

AUDIO_WIDTH = 4
"""Of label vectors that audio has of its own."""


def tiny_queries(space: LabelSpace, own_audio: bool = False) -> Queries:
    """[C, QUERY_WIDTH] label queries with a random graph; ``own_audio``: others for audio."""
    draw = torch.Generator().manual_seed(7)
    labels = len(space.words)
    emb_CD = torch.randn(labels, QUERY_WIDTH, generator=draw)
    queries = Queries(emb_CD, torch.rand(labels, labels, generator=draw))
    if not own_audio:
        return queries
    return queries._replace(by_modality={"audio": torch.randn(labels, AUDIO_WIDTH, generator=draw)})
