"""Checks of label encoders."""

from __future__ import annotations

from typing import Any

import torch

from merbench.api import Component, LabelSpace
from merbench.engine.model import contract
from merbench.host.catalog import Catalog
from merbench.testing import tiny
from merbench.testing.parts.factory import checked_factory, fitting_context


def tiny_label_encoder(catalog: Catalog, component: Component) -> Any:
    factory, config = checked_factory(catalog, component)
    torch.manual_seed(0)
    return factory(config, fitting_context(component)).eval()


def declared_width(catalog: Catalog, component: Component) -> None:
    encoder = tiny_label_encoder(catalog, component)
    emb_CD = contract.queries(encoder, encoder(), component.provides).emb_CD
    count = len(fitting_context(component).space.words)
    assert emb_CD.shape == (count, encoder.width), (
        f"declares width {encoder.width} for {count} labels and returns {tuple(emb_CD.shape)}"
    )
    assert torch.isfinite(emb_CD).all(), "label queries are not finite"
    assert torch.cdist(emb_CD, emb_CD).fill_diagonal_(1.0).min() > 1e-6, (
        "two labels have the same query"
    )


def another_label_space(catalog: Catalog, component: Component) -> None:
    encoder = tiny_label_encoder(catalog, component)
    other: LabelSpace = tiny.EMOTIONS
    emb_CD = encoder(other).emb_CD
    assert emb_CD.shape == (len(other.words), encoder.width), (
        f"{len(other.words)} other labels gave {tuple(emb_CD.shape)}"
    )
