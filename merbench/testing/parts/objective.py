"""Checks of objectives, on a minimal model."""

from __future__ import annotations

import torch
from torch import nn

from merbench.api import Batch, Component, LabelSpace, Output, Progress, masked_mean
from merbench.engine.model import contract
from merbench.host.catalog import Catalog
from merbench.testing import tiny
from merbench.testing.parts.factory import default_factory, fitting_context
from merbench.testing.verdict import Skip


class _Pooled(nn.Module):
    """The least model there is."""

    def __init__(self, space: LabelSpace) -> None:
        super().__init__()
        self.line = nn.Linear(6, space.logit_count)
        self.widths = dict.fromkeys(("text", "audio", "video"), 6)

    def forward(self, batch: Batch) -> Output:
        return Output(self.line(masked_mean(*batch.inputs["text"])), batch.inputs)


def terms_of_the_loss(catalog: Catalog, component: Component) -> None:
    if lacking := set(component.needs) - {"logits", "steps"}:
        raise Skip(f"needs {' and '.join(sorted(lacking))}: checked in the recipes that have it")
    factory, config = default_factory(catalog, component)
    context = fitting_context(component)
    model, batch = _Pooled(context.space), tiny.batch(context, tiny.parts(), 5)
    terms = contract.terms(
        [(component.name, factory(config, context, model))],
        model,
        batch,
        model(batch),
        Progress(0, 1, 0, 1, "main"),
    )
    assert torch.isfinite(torch.stack(list(terms.values()))).all(), "a term is not finite"
    assert any(term.requires_grad for term in terms.values()), (
        f"no term of {', '.join(terms)} has a gradient"
    )
