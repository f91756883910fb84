"""Attention between and within padded sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from merbench.api import attendable

Change = Callable[[Tensor], Tensor]


class Attention(nn.Module):
    """Multi-head attention of a target [B, T, D] to the real steps of a source [B, S, D]; zeros
    where the source has none (Tsai et al. 2019, 1906.00295, eq. 1).

    Dropout zeroes a source step for all queries of a head at once: equal in expectation to zeroing
    each weight by itself, and the [T, S] weights are never stored, which makes long sequences
    possible.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.width, self.heads, self.dropout = width, heads, nn.Dropout(dropout)
        self.into, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        nn.init.xavier_uniform_(self.into.weight)

    def forward(self, target_BTD: Tensor, source_BSD: Tensor, mask_BS: Tensor) -> Tensor:
        if target_BTD is source_BSD:
            qkv = self.into(target_BTD).chunk(3, -1)
        else:
            (w_q, w_kv), (b_q, b_kv) = (
                (p[: self.width], p[self.width :]) for p in (self.into.weight, self.into.bias)
            )
            qkv = F.linear(target_BTD, w_q, b_q), *F.linear(source_BSD, w_kv, b_kv).chunk(2, -1)
        q, k, v = (x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in qkv)
        v = v * self.dropout(torch.ones_like(v[..., :1]))
        allowed_B11S = attendable(mask_BS)[:, None, None]
        x_BHTE = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed_B11S)
        x_BTD = self.out(x_BHTE.transpose(1, 2).flatten(2))
        return torch.where(mask_BS.any(1)[:, None, None], x_BTD, 0.0)


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each added and then normed (Vaswani et al. 2017, 1706.03762,
    section 3.1). Masked steps are not attended to; what comes out for them is arbitrary.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        ffn: int,
        dropout: float,
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.attend = Attention(width, heads, dropout)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, ffn), activation(), nn.Dropout(dropout), nn.Linear(ffn, width)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        x_BLD = self.norms[0](x_BLD + self.dropout(self.attend(x_BLD, x_BLD, mask_BL)))
        return self.norms[1](x_BLD + self.dropout(self.feed_forward(x_BLD)))


class EncoderLayers(nn.ModuleList):
    """Layers in turn; what ``enter`` holds by a number changes the states after so many of them, as
    in ``merbench.api.LanguageModel``.
    """

    def __init__(self, depth: int, width: int, heads: int, dropout: float) -> None:
        super().__init__(EncoderLayer(width, heads, 4 * width, dropout) for _ in range(depth))

    def run(self, x_BLD: Tensor, mask_BL: Tensor, enter: Mapping[int, Change]) -> Tensor:
        for number in range(len(self) + 1):
            if number in enter:
                x_BLD = enter[number](x_BLD)
            if number < len(self):
                x_BLD = self[number](x_BLD, mask_BL)
        return x_BLD


class PreNormLayer(nn.Module):
    """x' = x + Attention(LN(x), LN(source)); x' + f(LN(x')), f two layers with GELU. The source may
    be x itself; its masked steps are not attended to.
    """

    def __init__(self, width: int, heads: int, ffn: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.norm_f = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = Attention(width, heads, dropout)
        self.f = nn.Sequential(
            nn.Linear(width, ffn), nn.GELU(), nn.Dropout(dropout), nn.Linear(ffn, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BTD: Tensor, source_BSD: Tensor, mask_BS: Tensor) -> Tensor:
        n_BTD = self.norm(x_BTD)
        source_BSD = n_BTD if source_BSD is x_BTD else self.norm(source_BSD)
        x_BTD = x_BTD + self.dropout(self.attend(n_BTD, source_BSD, mask_BS))
        return x_BTD + self.dropout(self.f(self.norm_f(x_BTD)))
