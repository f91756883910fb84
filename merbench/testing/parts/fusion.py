"""Checks of fusions, with and without queries."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from merbench.api import MODALITIES, Component, Fused, Modality, Queries, Steps
from merbench.engine.model import contract
from merbench.host.catalog import Catalog
from merbench.testing import tiny
from merbench.testing.parts.factory import default_factory
from merbench.testing.parts.gradient import assert_gradient
from merbench.testing.parts.queries import QUERY_WIDTH, tiny_queries
from merbench.testing.parts.rowwise import rowwise


def tiny_fusions(
    catalog: Catalog, component: Component
) -> list[tuple[Any, dict[Modality, Steps], Queries | None]]:
    """With and without queries, with all modalities and with as few as it takes."""
    factory, config = default_factory(catalog, component)
    fusions = []
    required_first = sorted(MODALITIES, key=lambda m: m not in component.required_modalities)
    few = required_first[: max(component.min_modalities, len(component.required_modalities))]
    for modalities in ({"text", "audio", "video"}, set(few)):
        for queries in (None, tiny_queries()):
            if queries is None and "queries" in component.needs:
                continue
            parts = {m: s for m, s in tiny.parts().items() if m in modalities}
            torch.manual_seed(0)
            query_width = None if queries is None else QUERY_WIDTH
            fusion = factory(
                config, tiny.context(modalities=tuple(parts)), dict.fromkeys(parts, 6), query_width
            )
            fusions.append((fusion.eval(), parts, queries))
    return fusions


def declared_width(catalog: Catalog, component: Component) -> None:
    for fusion, parts, queries in tiny_fusions(catalog, component):
        fused = contract.fused(
            fusion, fusion(parts, queries), 5, component.returns, component.provides
        )
        by_label = component.returns in ("labels", "slots")
        labels = len(tiny.SPACES["score"].words) if by_label else 1
        want = (5, labels, fusion.width)
        got = tuple(fused.z_BCD.shape)
        assert got == want, (
            f"declares {component.returns} and width {fusion.width}, "
            f"so z should be {want}; it is {got}"
        )


def is_rowwise(check: str, catalog: Catalog, component: Component) -> None:
    for fusion, parts, queries in tiny_fusions(catalog, component):

        def flat(
            parts: dict[Modality, Steps], fusion: Any = fusion, queries: Any = queries
        ) -> Tensor:
            fused = fusion(parts, queries)
            return torch.cat([part.flatten(1) for part in _readable_parts(fused)], 1)

        rowwise(flat, parts, check)


def _readable_parts(fused: Fused) -> list[Tensor]:
    """What a head may read of it; a sequence summed over its real steps."""
    read = [fused.z_BCD]
    if fused.steps is not None:
        x_BLD, mask_BL = fused.steps
        read.append(torch.where(mask_BL[..., None], x_BLD, 0.0).sum(1))
    if fused.slots_BMCD is not None:
        read.append(fused.slots_BMCD)
    return read


def gradient_reaches_all(catalog: Catalog, component: Component) -> None:
    for fusion, parts, queries in tiny_fusions(catalog, component):
        fused = fusion(parts, queries)
        assert_gradient(
            fusion,
            torch.cat(
                [
                    *(part.flatten() for part in _readable_parts(fused)),
                    *(v.flatten() for v in fused.aux.values() if v.requires_grad),
                ]
            ),
        )
