"""Checks of fusions, with and without queries."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from merbench.api import MODALITIES, Component, Fused, Modality, Queries, Steps
from merbench.api.declarations.component import BY_MODALITY, LANGUAGE_MODEL
from merbench.engine.model import contract
from merbench.engine.model.compose import reads_tokens
from merbench.host.catalog import Catalog
from merbench.testing import tiny
from merbench.testing.parts.factory import default_factory, fitting_context
from merbench.testing.parts.gradient import assert_gradient
from merbench.testing.parts.language_model import TinyLanguage, tiny_tokens
from merbench.testing.parts.queries import AUDIO_WIDTH, QUERY_WIDTH, needs_labels, tiny_queries
from merbench.testing.parts.rowwise import rowwise


def tiny_fusions(
    catalog: Catalog, component: Component
) -> Iterator[tuple[Any, dict[Modality, Steps], Queries | None]]:
    """With and without queries, with all modalities and with as few as it takes, with and without
    what it reads where it is there; one at a time, because some are large.
    """
    factory, config = default_factory(catalog, component)
    required_first = sorted(MODALITIES, key=lambda m: m not in component.required_modalities)
    few = required_first[: max(component.min_modalities, len(component.required_modalities))]
    languages: list[TinyLanguage | None] = [] if LANGUAGE_MODEL in component.needs else [None]
    if LANGUAGE_MODEL in {*component.needs, *component.reads}:
        languages += [TinyLanguage()]
    space = fitting_context(component).space
    labels: list[Queries | None] = [] if needs_labels(component) else [None]
    labels += [] if BY_MODALITY in component.needs else [tiny_queries(space)]
    if BY_MODALITY in (*component.needs, *component.reads):
        labels += [tiny_queries(space, own_audio=True)]
    all_or_few: tuple[set[Modality], set[Modality]] = (set(MODALITIES), set(few))
    for modalities, queries, language in product(all_or_few, labels, languages):
        parts = {m: s for m, s in tiny.parts().items() if m in modalities}
        context = dataclasses.replace(
            fitting_context(component, modalities=tuple(parts)),
            language_model=language,
            query_widths={} if queries is None else dict.fromkeys(queries.by_modality, AUDIO_WIDTH),
        )
        torch.manual_seed(0)
        query_width = None if queries is None else QUERY_WIDTH
        fusion = factory(config, context, dict.fromkeys(parts, 6), query_width).eval()
        if language is not None and reads_tokens(fusion):
            fusion = _WithTokens(fusion)
        yield fusion, parts, queries


class _WithTokens(nn.Module):
    """A fusion that is given the text's tokens too."""

    def __init__(self, fusion: nn.Module) -> None:
        super().__init__()
        self.fusion, self.width = fusion, fusion.width

    def forward(self, parts: dict[Modality, Steps], queries: Queries | None = None) -> Fused:
        tokens = tiny_tokens(parts["text"].mask_BL) if "text" in parts else None
        fused: Fused = self.fusion(parts, queries, tokens=tokens)
        return fused


def declared_width(catalog: Catalog, component: Component) -> None:
    for fusion, parts, queries in tiny_fusions(catalog, component):
        fused = contract.fused(
            fusion, fusion(parts, queries), 5, component.returns, component.provides
        )
        by_label = component.returns in ("labels", "slots")
        labels = len(fitting_context(component).space.words) if by_label else 1
        want = (5, labels, fusion.width)
        shape = tuple(fused.z_BCD.shape)
        assert shape == want, (
            f"declares {component.returns} and width {fusion.width}, "
            f"so z should be {want}; it is {shape}"
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
    readable = [fused.z_BCD]
    if fused.steps is not None:
        x_BLD, mask_BL = fused.steps
        readable.append(torch.where(mask_BL[..., None], x_BLD, 0.0).sum(1))
    if fused.slots_BMCD is not None:
        readable.append(fused.slots_BMCD)
    return readable


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
            # A softmax over modalities is 1 where there is one, whatever its scores are.
            may_vanish=len(parts) == 1,
        )
