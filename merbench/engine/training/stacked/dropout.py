"""Dropout of stacked seeds, each with a generator of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class _Dropout(torch.autograd.Function):
    """Dropout under vmap, with a generator a seed: torch's own draws one mask for all, or from one
    generator for all.
    """

    @staticmethod
    def forward(x: Tensor, seed: Tensor, p: float, draws: Sequence[torch.Generator]) -> Tensor:
        raise RuntimeError("dropout of a seed that is not stacked")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, x: Tensor, seed: Tensor, p: float, draws: Sequence[torch.Generator]
    ) -> tuple[Tensor, int]:
        x = x.expand(info.batch_size, *x.shape) if in_dims[0] is None else x.movedim(in_dims[0], 0)
        masks = [
            torch.empty(x.shape[1:], dtype=x.dtype, device=x.device).bernoulli_(
                1 - p, generator=draw
            )
            for draw in draws
        ]
        return x * torch.stack(masks).div_(1 - p), 0


@contextmanager
def own_draws(seed: Tensor, draws: Sequence[torch.Generator]) -> Iterator[None]:
    """``torch.nn.functional`` with each seed's own dropout, also in attention (whose fused kernels
    cannot be stacked).
    """
    dropout, attention, fast = (
        F.dropout,
        F.scaled_dot_product_attention,
        torch.backends.mha.get_fastpath_enabled(),
    )

    def drop(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        return _Dropout.apply(input, seed, p, draws) if training and p else input

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
        if is_causal or enable_gqa:
            raise RuntimeError("attention that is causal by itself or has grouped heads")
        score = (
            query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
        )
        if attn_mask is not None:
            score = (
                score.masked_fill(~attn_mask, -math.inf)
                if attn_mask.dtype == torch.bool
                else score + attn_mask
            )
        # Attention over nothing is 0, as torch's own has it; a softmax over nothing is NaN.
        nothing = score.isneginf().all(-1, keepdim=True)
        share = score.masked_fill(nothing, 0.0).softmax(-1).masked_fill(nothing, 0.0)
        return drop(share, dropout_p) @ value

    F.dropout, F.scaled_dot_product_attention = drop, attend
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        F.dropout, F.scaled_dot_product_attention = dropout, attention
        torch.backends.mha.set_fastpath_enabled(fast)
