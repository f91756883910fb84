"""A part comes back from its state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from merbench.api import Component
from merbench.host.catalog import Catalog

Make = Callable[[Catalog, Component], Any]
"""A part, a tuple that begins with one, or several such tuples, of which the first is checked."""


def state_round_trips(make: Make, catalog: Catalog, component: Component) -> None:
    module, twin = (_module(make(catalog, component)) for _ in range(2))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1.0)
    twin.load_state_dict(module.state_dict())
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, twin.state_dict()[name]), (
            f"{name} does not come back from its state"
        )


def _module(parts: Any) -> nn.Module:
    first = next(iter(parts)) if isinstance(parts, list | Iterator) else parts
    module: nn.Module = first[0] if isinstance(first, tuple) else first
    return module
