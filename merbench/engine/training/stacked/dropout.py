"""Dropout of stacked seeds, each with a generator of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from merbench.engine.training.dropout import dropping, kept


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
        masks = [kept(x.shape[1:], p, x.dtype, x.device, draw) for draw in draws]
        return x * torch.stack(masks), 0


@contextmanager
def own_draws(seed: Tensor, draws: Sequence[torch.Generator]) -> Iterator[None]:
    """``torch.nn.functional`` with each seed's own dropout, also in attention (whose fused kernels
    cannot be stacked).
    """

    def drop(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        return _Dropout.apply(input, seed, p, draws) if training and p else input

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with dropping(drop, all_attention=True):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
