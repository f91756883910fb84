"""Checks of views: seeded, of the same shapes, blind to padding."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from merbench.api import Component, Modality, Steps
from merbench.engine.model import contract
from merbench.host.catalog import Catalog
from merbench.testing import tiny
from merbench.testing.parts.factory import default_factory, fitting_context
from merbench.testing.parts.rowwise import garbage

Encoded = Mapping[Modality, Steps]


def is_seeded(catalog: Catalog, component: Component) -> None:
    """Equal generators give equal views, and only they decide."""
    first, other = (_view(catalog, component, tiny.parts(), seed) for seed in (0, 1))
    torch.manual_seed(1)
    second = _view(catalog, component, tiny.parts())
    assert torch.equal(_real(first), _real(second)), (
        "two equal generators gave two views: draw from the generator alone"
    )
    same = all(torch.equal(first[m].mask_BL, other[m].mask_BL) for m in first)
    assert not (same and torch.equal(_real(first), _real(other))), (
        "two generators gave the same view: draw from the generator"
    )


def is_blind_to_padding(catalog: Catalog, component: Component) -> None:
    """What masked steps hold changes no real step."""
    steps = tiny.parts()
    refilled = {m: garbage(s, 7.0) for m, s in steps.items()}
    views = [_view(catalog, component, batch) for batch in (steps, refilled)]
    assert torch.allclose(_real(views[0]), _real(views[1]), atol=1e-5), (
        "padded content changed what a real step holds"
    )


def _view(catalog: Catalog, component: Component, steps: Encoded, seed: int = 0) -> Encoded:
    factory, config = default_factory(catalog, component)
    transform = factory(config, fitting_context(component))
    draw = torch.Generator().manual_seed(seed)
    return contract.view(transform, transform(steps, draw), steps)


def _real(view: Encoded) -> Tensor:
    """All real steps, flat."""
    real = [torch.where(s.mask_BL[..., None], s.x_BLD, 0.0).flatten() for s in view.values()]
    value = torch.cat(real)
    assert torch.isfinite(value).all(), "a real step is not finite"
    return value
