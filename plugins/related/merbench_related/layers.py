"""What several of the systems share: masked attention, transformer layers, absent modalities and
their order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from merbench.api import Modality, RequestError, Steps, attendable, complete


def in_order(order: Collection[Modality], modalities: Collection[Modality]) -> list[Modality]:
    """A run's modalities as ``fusion.order`` has them. RequestError where it does not name each of
    them once.
    """
    named = [m for m in order if m in modalities]
    if sorted(named) != sorted(modalities):
        raise RequestError(
            f"fusion.order={', '.join(order)} must name each modality of this run once, "
            f"and these are {', '.join(modalities)}; name them all"
        )
    return named


def real(x_BLD: Tensor, mask_BL: Tensor) -> Steps:
    """Zeros where there is no step: a NaN there would reach other steps through 0 * NaN."""
    return Steps(torch.where(mask_BL[..., None], x_BLD, 0.0), mask_BL)


def complete_real(
    parts: Mapping[Modality, Steps], widths: Mapping[Modality, int]
) -> dict[Modality, Steps]:
    """``real`` of all modalities of ``widths``, the absent ones among them."""
    return {m: real(*steps) for m, steps in complete(parts, widths).items()}


def concatenate(sequences: list[Steps]) -> Steps:
    """Sequences of one width, one behind the other."""
    return Steps(
        torch.cat([s.x_BLD for s in sequences], 1), torch.cat([s.mask_BL for s in sequences], 1)
    )


class Attention(nn.Module):
    """Multi-head attention of queries [B, Q, D] to the real steps of a source [B, S, D] -> [B, Q,
    D]; zeros for a row whose source has none.

    Dropout zeroes a source step for all queries of a head at once: equal in expectation to zeroing
    each weight by itself, and the [Q, S] weights are never stored.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, q_BQD: Tensor, x_BSD: Tensor, mask_BS: Tensor) -> Tensor:
        q, k, v = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.query, q_BQD), (self.key, x_BSD), (self.value, x_BSD))
        )
        v = v * self.dropout(torch.ones_like(v[..., :1]))
        allowed_B11S = attendable(mask_BS)[:, None, None]
        mixed_BHQE = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed_B11S)
        y_BQD = self.out(mixed_BHQE.transpose(1, 2).flatten(2))
        return torch.where(mask_BS.any(1)[:, None, None], y_BQD, 0.0)


class PostNormLayer(nn.Module):
    """A transformer layer with its norms after each residual sum (Vaswani et al. 2017, 1706.03762,
    section 3.1): attention to ``source`` (the sequence itself where None), then feed-forward.
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attend = Attention(width, heads, dropout)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )
        self.norm_attention, self.norm_output = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BLD: Tensor, mask_BL: Tensor, source_BSD: Tensor | None = None) -> Tensor:
        """``mask_BL``: real steps of what is attended to."""
        source_BSD = x_BLD if source_BSD is None else source_BSD
        x_BLD = self.norm_attention(x_BLD + self.dropout(self.attend(x_BLD, source_BSD, mask_BL)))
        return self.norm_output(x_BLD + self.dropout(self.feed_forward(x_BLD)))
