"""Targets of any space as cells, one a label word: what label-wise losses read."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from merbench.api import LabelSpace, soft_targets


class Cells(NamedTuple):
    """``share_BC`` in [0, 1]: how far a label is true of a row; ``positive_BC`` bool: whether it
    is; ``known_BC`` bool: whether that was observed.
    """

    share_BC: Tensor
    positive_BC: Tensor
    known_BC: Tensor


def cells(target: Tensor, known: Tensor | None, space: LabelSpace) -> Cells:
    """Of a score: its split between the two neighbouring anchors, positive at the nearest (the
    upper one of two equally near). Of a class: its one label. Of two tasks: both, side by side.
    """
    cells_by_task = [
        _cells(y, k, part)
        for y, k, part in zip(
            space.split_targets(target), space.split_targets(known), space.tasks, strict=True
        )
    ]
    return Cells(*(torch.cat(columns, 1) for columns in zip(*cells_by_task, strict=True)))


def _cells(target: Tensor, known: Tensor | None, space: LabelSpace) -> Cells:
    size = len(space.words)
    if space.kind == "score":
        anchors_C = torch.tensor(space.anchors, dtype=target.dtype, device=target.device)
        share_BC = soft_targets(target, anchors_C)
        nearest_B = size - 1 - share_BC.flip(1).argmax(1)
        positive_BC = F.one_hot(nearest_B, size).bool()
    elif space.kind == "class":
        share_BC = F.one_hot(target, size).float()
        positive_BC = share_BC > 0
    else:
        share_BC, positive_BC = target, target > 0.5
    if known is None:
        known_BC = torch.ones_like(positive_BC)
    else:
        known_BC = known if known.ndim == 2 else known[:, None].expand(-1, size)
    return Cells(share_BC, positive_BC, known_BC)
