"""A gradient reaches every trained parameter."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from merbench.testing.verdict import Skip


def assert_gradient(module: nn.Module, value: Tensor, may_vanish: bool = False) -> None:
    """Every trained parameter has a gradient; unless it ``may_vanish``, one that is not zero."""
    if not any(p.requires_grad for p in module.parameters()):
        raise Skip("it has no trained parameter")
    weights = torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
    (value.float() * weights).sum().backward()
    assert_reached(module.named_parameters(), may_vanish)


def assert_reached(named: Iterable[tuple[str, nn.Parameter]], may_vanish: bool = False) -> None:
    """After a backward pass, as ``assert_gradient``."""
    dead = [
        name
        for name, p in named
        if p.requires_grad and (p.grad is None or not (may_vanish or p.grad.abs().sum() > 0))
    ]
    assert not dead, f"no gradient reaches {', '.join(dead[:4])}{' ...' if len(dead) > 4 else ''}"
