"""A batch in groups of rows of like length, so that little is padded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from merbench.api.material.types import Steps

_MOST_STEPS = 4_000
"""Of the rows of a group in all: what is made of more at once takes memory, and leaves the cache.
"""


def by_length(
    f: Callable[[dict[str, Steps]], Tensor], parts: Mapping[str, Steps], *, attends: bool = False
) -> Tensor:
    """f(parts) [B, ...], on a CPU computed in groups of rows of like length: up to four of at least
    eight rows, or, where f ``attends`` from step to step, those of least cost.

    A batch is padded to its longest utterance, several times the usual one, and what attention
    costs grows with the square of that; short rows cost less than a group does. A GPU runs the
    whole faster than the pieces.
    """
    masks = [steps.mask_BL for steps in parts.values()]
    if masks[0].is_cuda:
        return f(dict(parts))
    steps_B, order_B = torch.stack([mask_BL.sum(1) for mask_BL in masks]).sum(0).sort(stable=True)
    if attends:
        groups = order_B.split(_sizes(steps_B.tolist()) or [0])
    else:
        groups = order_B.chunk(max(1, min(4, len(order_B) // 8)))
    outputs = [f({m: _cut(steps, rows) for m, steps in parts.items()}) for rows in groups]
    return torch.cat(outputs)[order_B.argsort()]


def _cut(steps: Steps, rows: Tensor) -> Steps:
    """Some rows, without the steps that are padding in all of them."""
    mask_BL = steps.mask_BL[rows]
    used_columns = mask_BL.any(0).nonzero()
    end = int(used_columns[-1]) + 1 if len(used_columns) else 1
    return Steps(steps.x_BLD[rows, :end], mask_BL[:, :end])


def _sizes(steps: Sequence[int]) -> list[int]:
    """Of the groups of least cost into which rows, sorted by their steps, can be cut.

    Each row costs what the longest of its group does, L + L^2 / 300, and a group 500 more: of these
    units MulT takes 27 microseconds a training step on two cores. A group has ``_MOST_STEPS`` at
    most.
    """
    cost, begins = np.zeros(len(steps) + 1), [0]
    for end, longest in enumerate(steps, 1):
        row = longest + longest**2 / 300
        first = max(0, end - max(1, _MOST_STEPS // max(1, longest)))
        costs = cost[first:end] + 500 + np.arange(end - first, 0, -1) * row
        begins.append(first + int(costs.argmin()))
        cost[end] = costs.min()
    sizes, end = [], len(steps)
    while end:
        sizes.append(end - begins[end])
        end = begins[end]
    return sizes[::-1]
