"""Checks of views: seeded, of the same shapes, blind to padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from merbench.api import Config, Modality, Steps
from merbench.engine.model import contract
from merbench.testing import tiny
from merbench.testing.parts.rowwise import garbage

Encoded = Mapping[Modality, Steps]


def is_seeded(factory: Any, config: Config) -> None:
    """Equal generators give equal views, and only they decide."""
    first, other = _view(factory, config, tiny.parts()), _view(factory, config, tiny.parts(), 1)
    torch.manual_seed(1)
    second = _view(factory, config, tiny.parts())
    assert torch.equal(_real(first), _real(second)), (
        "two equal generators gave two views: draw from the generator alone"
    )
    same = all(torch.equal(first[m].mask_BL, other[m].mask_BL) for m in first)
    assert not (same and torch.equal(_real(first), _real(other))), (
        "two generators gave the same view: draw from the generator"
    )


def is_blind_to_padding(factory: Any, config: Config) -> None:
    """What masked steps hold changes no real step."""
    steps = tiny.parts()
    refilled = {m: garbage(s, 7.0) for m, s in steps.items()}
    views = [_view(factory, config, batch) for batch in (steps, refilled)]
    assert torch.allclose(_real(views[0]), _real(views[1]), atol=1e-5), (
        "padded content changed what a real step holds"
    )


def _view(factory: Any, config: Config, steps: Encoded, seed: int = 0) -> Encoded:
    transform = factory(config, tiny.context())
    draw = torch.Generator().manual_seed(seed)
    return contract.view(transform, transform(steps, draw), steps)


def _real(view: Encoded) -> Tensor:
    """All real steps, flat."""
    real = [torch.where(s.mask_BL[..., None], s.x_BLD, 0.0).flatten() for s in view.values()]
    value = torch.cat(real)
    assert torch.isfinite(value).all(), "a real step is not finite"
    return value
