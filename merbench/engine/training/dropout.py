"""Dropout in another way than torch's, for all that a block runs: layers, attention, towers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

STEPS = 2**16
"""On a CPU the probability of being dropped is the nearest multiple of 1 / STEPS."""


class Drop(Protocol):
    """What ``torch.nn.functional.dropout`` is."""

    def __call__(
        self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor: ...


_torch_dropout, _torch_attention = F.dropout, F.scaled_dot_product_attention


def quick_dropout(device: torch.device) -> AbstractContextManager[None]:
    """On a CPU the block's dropout takes about a sixth of its time: torch draws a number for every
    element there, which costs as much as three products with a matrix 256 wide.
    """
    return dropping(_quick) if device.type == "cpu" else nullcontext()


def _quick(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    if not training or inplace or not 0 < p < 1 or not input.is_floating_point():
        return _torch_dropout(input, p, training, inplace)
    return input * kept(input.shape, p, input.dtype, input.device)


def kept(
    shape: torch.Size,
    p: float,
    dtype: torch.dtype,
    device: torch.device,
    generator: torch.Generator | None = None,
) -> Tensor:
    """What an input is multiplied by, 0 < p < 1: 0 with probability p, else 1 / (1 - p)."""
    dropped = round(p * STEPS)
    if device.type != "cpu" or not 0 < dropped < STEPS:
        mask = torch.empty(shape, dtype=dtype, device=device)
        return mask.bernoulli_(1 - p, generator=generator).div_(1 - p)
    count = shape.numel()
    # One number of 64 bits for four elements.
    draw = torch.randint(-(2**63), 2**63 - 1, (math.ceil(count / 4),), generator=generator)
    part = draw.view(torch.int16)[:count].view(shape)
    return part.ge_(dropped - STEPS // 2).to(dtype).mul_(STEPS / (STEPS - dropped))


@contextmanager
def dropping(drop: Drop, *, all_attention: bool = False) -> Iterator[None]:
    """``torch.nn.functional`` with this dropout, also in attention; with ``all_attention`` also
    attention without dropout is of plain operations.
    """

    def attend(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        plain = not (is_causal or enable_gqa)
        if plain and (dropout_p or all_attention):
            return _attention(query, key, value, attn_mask, scale, drop, dropout_p)
        if all_attention:
            raise RuntimeError("attention that is causal by itself or has grouped heads")
        return _torch_attention(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )

    outer = F.dropout, F.scaled_dot_product_attention
    F.dropout, F.scaled_dot_product_attention = drop, attend
    try:
        yield
    finally:
        F.dropout, F.scaled_dot_product_attention = outer


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scale: float | None,
    drop: Drop,
    p: float,
) -> Tensor:
    score = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        score = score.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else score + mask
    # Attention over nothing is 0, as torch's own has it; a softmax over nothing is NaN.
    nothing = score.isneginf().all(-1, keepdim=True)
    share = score.masked_fill(nothing, 0.0).softmax(-1).masked_fill(nothing, 0.0)
    return drop(share, p) @ value
