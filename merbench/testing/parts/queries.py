"""Random label queries for parts that take them."""

from __future__ import annotations

import torch

from merbench.api import Queries
from merbench.testing import tiny

QUERY_WIDTH = 10


def tiny_queries(width: int = QUERY_WIDTH) -> Queries:
    """[C, width] label queries with a random graph."""
    draw = torch.Generator().manual_seed(7)
    labels = len(tiny.SPACES["score"].words)
    emb_CD = torch.randn(labels, width, generator=draw)
    return Queries(emb_CD, torch.rand(labels, labels, generator=draw))
