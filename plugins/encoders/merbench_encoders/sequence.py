"""What the sequence encoders share: thinning, a BiLSTM and a small transformer over Steps. No row's
result depends on its batch.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Config, Steps, Tune, attendable, lstm_states, require_heads


def left_aligned_order(mask_BL: Tensor) -> Tensor:
    """[B, L]: places of the real steps, in order, then of the others."""
    return (~mask_BL).byte().argsort(dim=1, stable=True)


def gather_steps(x_BL: Tensor, index_BK: Tensor) -> Tensor:
    """``x[b, index[b, k]]``, whatever comes after the first two dimensions."""
    return x_BL[torch.arange(len(x_BL), device=x_BL.device)[:, None], index_BK]


def thin(x_BL: Tensor, mask_BL: Tensor, longest: int) -> tuple[Tensor, Tensor]:
    """At most ``longest`` real steps a row, uniformly spaced, the first among them; a row that has
    no more keeps them all.

    ``x_BL`` [B, L, ...] and ``mask_BL`` [B, L] -> the same with min(L, longest) steps.
    """
    if mask_BL.shape[1] <= longest:
        return x_BL, mask_BL
    k_K = torch.arange(longest, device=mask_BL.device)
    n_B = mask_BL.sum(1, keepdim=True)
    pick_BK = torch.where(n_B > longest, k_K * n_B // longest, k_K)
    return gather_steps(x_BL, gather_steps(left_aligned_order(mask_BL), pick_BK)), k_K < n_B


def sinusoids(length: int, width: int) -> Tensor:
    """[length, width]: sines and cosines of wavelengths 2 pi to 20 000 pi (Vaswani et al. 2017,
    1706.03762, section 3.5).
    """
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angle = torch.arange(length)[:, None] * rate
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(1)[:, :width]


class BiLSTM(nn.Module):
    """Steps [B, L, D] -> [B, L, width], half of it from each direction (Graves & Schmidhuber 2005);
    masked steps are skipped and give 0.
    """

    class Config(Config):
        width: Annotated[int, Field(ge=2, multiple_of=2), Tune(choices=(32, 64, 128, 256))] = 64
        layers: Annotated[int, Field(ge=1), Tune(1, 2)] = 1
        dropout: Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.6)] = 0.1
        """Of what each layer returns."""

    def __init__(self, config: Config, width_in: int) -> None:
        super().__init__()
        widths = [width_in, *[config.width] * (config.layers - 1)]
        self.onward, self.back = (
            nn.ModuleList(nn.LSTM(w, config.width // 2, batch_first=True) for w in widths)
            for _ in range(2)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, steps: Steps) -> Steps:
        for onward, back in zip(self.onward, self.back, strict=True):
            states = lstm_states(onward, steps), lstm_states(back, steps, backwards=True)
            steps = Steps(self.dropout(torch.cat(states, -1)), steps.mask_BL)
        return steps


class _Block(nn.Module):
    """Pre-LN self-attention and feed-forward. (torch's own layer imports sympy, seconds of it, when
    it meets a padding mask.)
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.norm1, self.qkv, self.out = (
            nn.LayerNorm(width),
            nn.Linear(width, 3 * width),
            nn.Linear(width, width),
        )
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )

    def forward(self, x_BLD: Tensor, seen_BL: Tensor) -> Tensor:
        q, k, v = (
            self.qkv(self.norm1(x_BLD)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )
        p = self.dropout.p if self.training else 0.0
        mixed_BHLE = F.scaled_dot_product_attention(
            q, k, v, attn_mask=seen_BL[:, None, None], dropout_p=p
        )
        x_BLD = x_BLD + self.dropout(self.out(mixed_BHLE.transpose(1, 2).flatten(2)))
        return x_BLD + self.dropout(self.mlp(self.norm2(x_BLD)))


class Transformer(nn.Module):
    """Steps [B, L, D] -> [B, min(L, longest), width]: linear projection, positions, pre-LN
    transformer. Masked steps come out 0.

    Vaswani et al. 2017 (1706.03762) with the norms first (Xiong et al. 2020, 2002.04745). A
    position counts real steps.
    """

    class Config(Config):
        width: Annotated[int, Field(ge=1), Tune(choices=(32, 64, 128, 256))] = 64
        layers: Annotated[int, Field(ge=1), Tune(1, 4)] = 1
        heads: Annotated[int, Field(ge=1), Tune(choices=(2, 4, 8))] = 4
        dropout: Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.6)] = 0.1
        positions: Literal["sinusoidal", "learned", "none"] = "sinusoidal"
        """What tells a step its place in the row: fixed ``sinusoidal`` vectors, ``learned`` ones,
        or ``none``.
        """
        longest: Annotated[int, Field(ge=1)] = 512
        """Steps that a row keeps at most, uniformly spaced."""

    def __init__(self, config: Config, width_in: int) -> None:
        super().__init__()
        width = config.width
        require_heads("encoder", width, config.heads)
        self.longest = config.longest
        self.project = nn.Linear(width_in, width)
        if config.positions == "learned":
            self.position_LD = nn.Parameter(0.02 * torch.randn(config.longest, width))
        else:
            table_LD = (
                sinusoids(config.longest, width)
                if config.positions == "sinusoidal"
                else torch.zeros(config.longest, width)
            )
            self.register_buffer("position_LD", table_LD, persistent=False)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            _Block(width, config.heads, config.dropout) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, steps: Steps) -> Steps:
        x_BLD, mask_BL = thin(*steps, self.longest)
        # Zeros, since a NaN in a masked step would reach the others through 0 * NaN.
        x_BLD = self.project(torch.where(mask_BL[..., None], x_BLD, 0.0))
        x_BLD = self.dropout(x_BLD + self.position_LD[(mask_BL.cumsum(1) - 1).clamp(min=0)])
        seen_BL = attendable(mask_BL)
        for layer in self.layers:
            x_BLD = layer(x_BLD, seen_BL)
        return Steps(torch.where(mask_BL[..., None], self.norm(x_BLD), 0.0), mask_BL)
