"""What contrast is made against: rows with the same target, and the relation of each pair of
steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from merbench.api import Batch, LabelSpace

NONE, ALIGNED, ADJACENT, SALIENT = range(4)
"""Relation types: none; two modalities at one time; neighbours in one stream; both salient."""
RELATIONS = 4


def same_target(
    batch: Batch, space: LabelSpace, if_unknown: bool, tolerance: float = 0.5
) -> Tensor:
    """[B, B] bool: rows whose targets are the same; scores that differ by less than ``tolerance``
    count as the same. What is not known of either row counts as the same where ``if_unknown``, and
    else as another, but for a row and itself.
    """
    same_BB = torch.ones(len(batch), len(batch), dtype=torch.bool, device=batch.target.device)
    columns = zip(
        space.split_targets(batch.target),
        space.split_targets(batch.known),
        space.tasks,
        strict=True,
    )
    for target, known, part in columns:
        if part.kind == "score":
            equal_BB = (target[:, None] - target[None]).abs() < tolerance
        elif part.kind == "class":
            equal_BB = target[:, None] == target[None]
        else:
            equal_BBC = target[:, None] == target[None]
            if known is not None:
                both_BBC = known[:, None] & known[None]
                equal_BBC = torch.where(both_BBC, equal_BBC, if_unknown)
            equal_BB, known = equal_BBC.all(-1), None
        if known is not None:
            equal_BB = torch.where(known[:, None] & known[None], equal_BB, if_unknown)
        same_BB &= equal_BB
    return same_BB | torch.eye(len(batch), dtype=torch.bool, device=same_BB.device)


def salient(mass_BN: Tensor, share: float) -> Tensor:
    """[B, N] bool: the fewest steps that together have ``share`` of a row's mass (which sums to 1
    or, where a row has no step, to 0).
    """
    sorted_BN, order_BN = mass_BN.sort(dim=1, descending=True)
    before_BN = sorted_BN.cumsum(1) - sorted_BN
    chosen_BN = (before_BN < share) & (sorted_BN > 0)
    return torch.zeros_like(chosen_BN).scatter(1, order_BN, chosen_BN)


def relation_targets(
    stream_N: Tensor,
    index_N: Tensor,
    time_BN: Tensor,
    cells_BNN: Tensor,
    window: float,
    salient_BN: Tensor | None = None,
) -> Tensor:
    """[B, N, N] long, a relation type a pair of steps; of no meaning outside ``cells_BNN``.

    ``stream_N`` and ``index_N``: which stream a step is of, and its place there; ``time_BN``: its
    share of the utterance. No one has labelled relations of emotion data: the first three are read
    off the structure, the last off the model's own attention (``salient_BN``, without gradient).
    """
    same_N_N = stream_N[:, None] == stream_N[None]
    adjacent_NN = same_N_N & ((index_N[:, None] - index_N[None]).abs() == 1)
    near_BNN = (time_BN[:, :, None] - time_BN[:, None]).abs() <= window
    target_BNN = torch.full_like(cells_BNN, NONE, dtype=torch.long)
    if salient_BN is not None:
        both_BNN = salient_BN[:, :, None] & salient_BN[:, None]
        target_BNN = target_BNN.masked_fill(both_BNN, SALIENT)
    target_BNN = target_BNN.masked_fill(near_BNN & ~same_N_N, ALIGNED)
    return target_BNN.masked_fill(adjacent_NN.expand_as(target_BNN), ADJACENT)
