"""Checks of heads, on every form of fusion that they accept."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from merbench.api import Component, Fused, LabelSpace, Queries
from merbench.api.declarations.component import LANGUAGE_MODEL
from merbench.engine.model import contract
from merbench.host.catalog import Catalog
from merbench.testing import tiny
from merbench.testing.parts.factory import default_factory, fitting_context
from merbench.testing.parts.gradient import assert_gradient
from merbench.testing.parts.language_model import TinyLanguage
from merbench.testing.parts.queries import QUERY_WIDTH, needs_labels, tiny_queries
from merbench.testing.parts.rowwise import PERMUTED, assert_close, take


def tiny_heads(catalog: Catalog, component: Component) -> list[tuple[Any, Fused, Queries | None]]:
    labels_needed = needs_labels(component)
    factory, config = default_factory(catalog, component)
    heads = []
    for form in component.accepts:
        context = fitting_context(component)
        queries = tiny_queries(context.space) if labels_needed or form == "labels" else None
        torch.manual_seed(0)
        if LANGUAGE_MODEL in component.needs:
            context = dataclasses.replace(context, language_model=TinyLanguage())
        head = factory(config, context, 6, None if queries is None else QUERY_WIDTH)
        heads.append((head.eval(), _tiny_fused(form, context.space), queries))
    return heads


def logits_fit_the_task(catalog: Catalog, component: Component) -> None:
    for head, fused, queries in tiny_heads(catalog, component):
        logits_BC = _logits(head, component, fused, queries)
        space = fitting_context(component).space
        columns = sorted({space.logit_count, len(space.words)})
        any_number = hasattr(head, "read_out") and hasattr(head, "loss")
        assert logits_BC.ndim == 2 and (any_number or logits_BC.shape[1] in columns), (
            f"logits of a {space.kind} are {tuple(logits_BC.shape)}; "
            f"other than {' or '.join(map(str, columns))} columns need "
            "a read_out and a loss of the head's own"
        )
        permuted = _logits(head, component, _permuted(fused), queries)
        assert_close(logits_BC[PERMUTED], permuted, "rows were permuted")


def gradient_reaches_all(catalog: Catalog, component: Component) -> None:
    for head, fused, queries in tiny_heads(catalog, component):
        returned = head(fused, queries)
        logits_BC, aux = contract.logits_and_aux(head, returned, component.provides)
        trained = [value for value in aux.values() if value.requires_grad]
        assert_gradient(head, torch.cat([part.flatten() for part in (logits_BC, *trained)]))


def _logits(head: Any, component: Component, fused: Fused, queries: Queries | None) -> Tensor:
    return contract.logits_and_aux(head, head(fused, queries), component.provides)[0]


def _tiny_fused(form: str, space: LabelSpace) -> Fused:
    draw = torch.Generator().manual_seed(1)
    labels = len(space.words) if form in ("labels", "slots") else 1
    z_BCD = torch.randn(5, labels, 6, generator=draw)
    steps = tiny.steps() if form == "sequence" else None
    slots = torch.randn(5, 3, labels, 6, generator=draw) if form == "slots" else None
    return Fused(z_BCD, {}, steps, slots)


def _permuted(fused: Fused) -> Fused:
    return Fused(
        fused.z_BCD[PERMUTED],
        fused.aux,
        None if fused.steps is None else take(fused.steps, PERMUTED),
        None if fused.slots_BMCD is None else fused.slots_BMCD[PERMUTED],
    )
