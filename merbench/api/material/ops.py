"""Small tensor functions that many methods need: masks, padding, anchors, the task's own loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from merbench.api.errors import RunError
from merbench.api.material.types import Steps

if TYPE_CHECKING:
    from merbench.api.material.types import Batch, LabelSpace


def masked_mean(x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """[B, D]: mean over real steps; zeros where there are none."""
    x_BLD = torch.where(mask_BL[..., None], x_BLD, 0.0)
    return x_BLD.sum(1) / mask_BL.sum(1, keepdim=True).clamp(min=1)


def masked_max(x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """[B, D]: maximum over real steps; zeros where there are none."""
    top = torch.where(mask_BL[..., None], x_BLD, torch.finfo(x_BLD.dtype).min).amax(1)
    return torch.where(mask_BL.any(1, keepdim=True), top, 0.0)


def last_step(x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """[B, D]: the last real step; zeros where there are none. Real steps need not be contiguous."""
    where_BL = torch.arange(1, mask_BL.shape[1] + 1, device=mask_BL.device) * mask_BL
    last_B = (where_BL.amax(1) - 1).clamp(min=0)
    return torch.where(
        mask_BL.any(1, keepdim=True),
        x_BLD[torch.arange(len(x_BLD), device=x_BLD.device), last_B],
        0.0,
    )


def attendable(mask_BL: Tensor) -> Tensor:
    """[B, L] bool, what attention may look at: the real steps, or all where a row has none, since a
    softmax over nothing is NaN. What comes of such a row says nothing and is to be left out.
    """
    return mask_BL | ~mask_BL.any(1, keepdim=True)


def masked_softmax(score: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
    """Softmax along ``dim`` over the places where ``mask`` (bool, broadcast to ``score``) is True;
    0 elsewhere, and everywhere where no place is.
    """
    filled = score.masked_fill(~mask, torch.finfo(score.dtype).min)
    return torch.where(mask, filled.softmax(dim), 0.0)


def compact(steps: Steps) -> Steps:
    """The same rows with their real steps first, in their order, and zeros after them. The type of
    ``x_BLD`` stays: word numbers remain numbers.
    """
    if not (
        steps.mask_BL[:, 1:] & ~steps.mask_BL[:, :-1]
    ).any():  # they are first already, as those of feature streams always are
        return Steps(torch.where(steps.mask_BL[..., None], steps.x_BLD, 0), steps.mask_BL)
    order_BL = (~steps.mask_BL).to(torch.uint8).argsort(dim=1, stable=True)
    mask_BL = steps.mask_BL.gather(1, order_BL)
    x_BLD = steps.x_BLD.gather(1, order_BL[..., None].expand_as(steps.x_BLD))
    return Steps(torch.where(mask_BL[..., None], x_BLD, 0), mask_BL)


def soft_targets(y_B: Tensor, anchors_C: Tensor) -> Tensor:
    """[B, C]: each score split between its two neighbouring anchors by linear interpolation
    (clamped to the outermost).
    """
    y_B = y_B.clamp(anchors_C[0], anchors_C[-1])
    upper_B = torch.searchsorted(anchors_C, y_B.contiguous()).clamp(1, len(anchors_C) - 1)
    low_B, high_B = anchors_C[upper_B - 1], anchors_C[upper_B]
    share_B = (y_B - low_B) / (high_B - low_B)
    soft_BC = torch.zeros(len(y_B), len(anchors_C), dtype=y_B.dtype, device=y_B.device)
    # Not in place, which seeds that train together could not do.
    soft_BC = soft_BC.scatter(1, (upper_B - 1)[:, None], (1 - share_B)[:, None])
    return soft_BC.scatter(1, upper_B[:, None], share_B[:, None])


def read_out(logits_BC: Tensor, space: LabelSpace) -> Tensor:
    """Predictions: score [B] (the value itself, or the softmax-weighted sum of anchors); class and
    multilabel [B, C] probabilities; joint [B, 1 + C], score and probabilities.
    """
    if space.parts:
        score_B, p_BC = (
            read_out(logits, part)
            for logits, part in zip(space.split_logits(logits_BC), space.parts, strict=True)
        )
        return torch.cat([score_B[:, None], p_BC], 1)
    _check_columns(logits_BC, space)
    if space.kind == "class":
        return logits_BC.softmax(-1)
    if space.kind == "multilabel":
        return logits_BC.sigmoid()
    if logits_BC.shape[1] == 1:
        return logits_BC[:, 0]
    return logits_BC.softmax(-1) @ torch.tensor(
        space.anchors, dtype=logits_BC.dtype, device=logits_BC.device
    )


def task_loss(
    logits_BC: Tensor,
    target: Tensor,
    known: Tensor | None,
    space: LabelSpace,
    soft_weight: float = 1.0,
    pos_weight_C: Tensor | None = None,
) -> dict[str, Tensor]:
    """The task's own loss, as named terms.

    score with one logit: ``l1``. score with a logit an anchor: ``l1`` of the read-out and
    ``soft_ce`` (times ``soft_weight``) to the two-neighbour soft target. class: ``ce``. multilabel:
    ``bce``, with ``pos_weight_C`` [C] (one a word). joint: the terms of both parts. Each is the
    mean over what is known, 0 where nothing is.
    """
    if space.parts:
        by_task = zip(
            *map(space.split_logits, (logits_BC, pos_weight_C)),
            *map(space.split_targets, (target, known)),
            space.parts,
            strict=True,
        )
        terms: dict[str, Tensor] = {}
        for logits, weight, y, is_known, part in by_task:
            terms |= task_loss(logits, y, is_known, part, soft_weight, weight)
        return terms
    _check_columns(logits_BC, space)
    if space.kind == "score":
        terms = {"l1": _over_rows(F.l1_loss, known, read_out(logits_BC, space), target)}
        if logits_BC.shape[1] > 1 and soft_weight:
            anchors_C = torch.tensor(space.anchors, dtype=logits_BC.dtype, device=logits_BC.device)
            soft_BC = soft_targets(target.to(logits_BC.dtype), anchors_C)
            terms["soft_ce"] = soft_weight * _over_rows(F.cross_entropy, known, logits_BC, soft_BC)
        return terms
    if space.kind == "class":
        return {"ce": _over_rows(F.cross_entropy, known, logits_BC, target)}
    cells_BC = F.binary_cross_entropy_with_logits(
        logits_BC, target, pos_weight=pos_weight_C, reduction="none"
    )
    return {"bce": cells_BC.mean() if known is None else _mean_known(cells_BC, known)}


def known_rows(batch: Batch) -> Tensor:
    """[B]: the rows of which some target is known."""
    if batch.known is None:
        return torch.ones_like(batch.ids_B, dtype=torch.bool)
    return batch.known.reshape(len(batch), -1).any(1)


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse_gradient(x: Tensor, strength: float = 1.0) -> Tensor:
    """``x``, whose gradient becomes -``strength`` times what comes back: what made x learns against
    those who read it (Ganin and Lempitsky 2015, 1409.7495, section 3.1).
    """
    same: Tensor = _Reverse.apply(x, strength)
    return same


def _check_columns(logits_BC: Tensor, space: LabelSpace) -> None:
    fit = {space.logit_count, len(space.words)}
    if logits_BC.shape[1] not in fit:
        fitting = " or ".join(str(n) for n in sorted(fit))
        raise RunError(
            f"the logits have {logits_BC.shape[1]} columns, "
            f"and a {space.kind} with these labels takes {fitting}; see LabelSpace.logit_count"
        )


def _over_rows(
    loss: Callable[..., Tensor], known: Tensor | None, output: Tensor, target: Tensor
) -> Tensor:
    # torch's own mean adds up in another order, and where every row is known a run keeps the bits
    # that it always had.
    return (
        loss(output, target)
        if known is None
        else _mean_known(loss(output, target, reduction="none"), known)
    )


def _mean_known(x: Tensor, known: Tensor) -> Tensor:
    """Over what is known; 0 where nothing is."""
    return torch.where(known, x, 0.0).sum() / known.sum().clamp(min=1)
