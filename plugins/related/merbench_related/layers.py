"""What several of the systems share: masked attention, transformer layers, absent modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from merbench.api import MODALITIES, Modality, RequestError, Steps


def require_heads(slot: str, width: int, heads: int) -> None:
    """RequestError where ``width`` cannot be shared by ``heads``."""
    if width % heads:
        raise RequestError(
            f"{slot}.width={width} is no multiple of {slot}.heads={heads}; "
            "set one of them to fit the other"
        )


def complete(
    parts: Mapping[Modality, Steps], widths: Mapping[Modality, int]
) -> dict[Modality, Steps]:
    """``parts`` in the order text, audio, video, with zeros in masked steps (a NaN there would
    reach the others through 0 * NaN). A modality of ``widths`` that is absent becomes one masked
    step.
    """
    given_steps = next(iter(parts.values()))
    absent_B1 = torch.zeros_like(given_steps.mask_BL[:, :1])
    complete_parts: dict[Modality, Steps] = {}
    for m in (m for m in MODALITIES if m in widths):
        if m in parts:
            x_BLD, mask_BL = parts[m]
            complete_parts[m] = Steps(torch.where(mask_BL[..., None], x_BLD, 0.0), mask_BL)
        else:
            complete_parts[m] = Steps(
                given_steps.x_BLD.new_zeros(len(absent_B1), 1, widths[m]), absent_B1
            )
    return complete_parts


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
        present_B1 = mask_BS.any(1, keepdim=True)
        # A row without a source attends to all of it, since a softmax over nothing is NaN; what
        # comes of that is left out.
        allowed_B11S = (mask_BS | ~present_B1)[:, None, None]
        q, k, v = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.query, q_BQD), (self.key, x_BSD), (self.value, x_BSD))
        )
        v = v * self.dropout(torch.ones_like(v[..., :1]))
        mixed_BHQE = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed_B11S)
        y_BQD = self.out(mixed_BHQE.transpose(1, 2).flatten(2))
        return torch.where(present_B1[..., None], y_BQD, 0.0)


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
