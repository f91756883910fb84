"""ALMT: adaptive language-guided multimodal transformer (Zhang et al. 2023, EMNLP, 2310.05804)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Config,
    Context,
    Fused,
    Modality,
    Queries,
    Steps,
    Tune,
    by_length,
    compact,
    complete,
    require_heads,
)
from merbench_baselines.attention import PreNormLayer
from merbench_baselines.fields import Dropout, Layers
from merbench_baselines.fusions.mult import positions


class TokenReader(nn.Module):
    """Steps -> [B, K, width]: what K learned tokens are after a transformer over the tokens and the
    projected steps.
    """

    def __init__(self, width: int, config: ALMT.Config) -> None:
        super().__init__()
        self.project = nn.Linear(width, config.width)
        self.tokens_KD = nn.Parameter(torch.randn(config.tokens, config.width))
        self.layers = config.stack(config.embed_layers)

    def read(self, parts: Mapping[str, Steps]) -> Tensor:
        x_BLD, mask_BL = parts["x"]
        x_BLD = self.project(x_BLD)
        x_BLD = x_BLD + positions(x_BLD.shape[1], x_BLD.shape[2], x_BLD.device)
        tokens_BKD = self.tokens_KD.expand(len(x_BLD), -1, -1)
        count = tokens_BKD.shape[1]
        all_BSD = torch.cat((tokens_BKD, x_BLD), 1)
        mask_BS = torch.cat((torch.ones_like(mask_BL[:, :1]).expand(-1, count), mask_BL), 1)
        for layer in self.layers[:-1]:
            all_BSD = layer(all_BSD, all_BSD, mask_BS)
        return self.layers[-1](all_BSD[:, :count], all_BSD, mask_BS)

    def forward(self, steps: Steps) -> Tensor:
        return by_length(self.read, {"x": compact(steps)})


class HyperLayer(nn.Module):
    """H' = H + W sum_m softmax(Q K_m^T / sqrt(d)) V_m, m = audio, video: queries from
    the text tokens of one scale, keys and values from what is heard and seen.
    """

    def __init__(self, sources: list[Modality], config: ALMT.Config) -> None:
        super().__init__()
        self.heads = config.heads
        normed = config.residual == "normed"
        self.norm = nn.LayerNorm(config.width) if normed else nn.Identity()
        self.norm_guide = nn.LayerNorm(config.width)
        self.norms = nn.ModuleDict({m: nn.LayerNorm(config.width) for m in sources})
        self.query = nn.Linear(config.width, config.width, bias=False)
        self.pair = nn.ModuleDict(
            {m: nn.Linear(config.width, 2 * config.width, bias=False) for m in sources}
        )
        self.out = nn.Linear(config.width, config.width)

    def split(self, x_BKD: Tensor) -> Tensor:
        """[B, heads, K, width / heads]."""
        return x_BKD.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def forward(
        self,
        hyper_BKD: Tensor,
        guide_BKD: Tensor,
        sources: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
    ) -> Tensor:
        q_BHKE = self.split(self.query(self.norm_guide(guide_BKD)))
        shift_BKD = torch.zeros_like(hyper_BKD)
        for m, x_BKD in sources.items():
            k, v = (self.split(h) for h in self.pair[m](self.norms[m](x_BKD)).chunk(2, 2))
            x_BHKE = F.scaled_dot_product_attention(q_BHKE, k, v)
            heard_BKD = x_BHKE.transpose(1, 2).flatten(2)
            shift_BKD = shift_BKD + torch.where(present[m][:, None, None], heard_BKD, 0.0)
        return self.norm(hyper_BKD) + self.out(shift_BKD)


class ALMT(nn.Module):
    """z = the summary of the hyper-modality: tokens that gather of audio and video what the text,
    at a low, middle and high scale, asks for.

    A missing audio or video adds nothing to them; of a missing text the tokens are those that read
    nothing.
    """

    class Config(Config):
        width: Annotated[int, Field(ge=1), Tune(choices=(32, 64, 128, 256))] = 128
        heads: Annotated[int, Field(ge=1), Tune(choices=(2, 4, 8))] = 8
        ffn: Annotated[int, Field(ge=1), Tune(64, 512, log=True)] = 128
        """Width of the hidden layer of each feed-forward network."""
        tokens: Annotated[int, Field(ge=1), Tune(choices=(4, 8, 16))] = 8
        """Tokens of each modality, and of the hyper-modality."""
        embed_layers: Layers = 1
        """Of the transformers that read the streams."""
        hyper_layers: Annotated[int, Field(ge=1), Tune(1, 5)] = 3
        """As many as scales of the text."""
        fusion_layers: Layers = 2
        """Of the cross-modal transformer."""
        guide: Literal["scales", "last", "itself"] = "scales"
        """What asks in each hyper-modality layer: a scale of the text each, the highest scale in
        all, or the hyper-modality itself (no guidance by language).
        """
        residual: Literal["plain", "normed"] = "plain"
        """What a hyper-modality layer adds to: H, as the paper has it, or LN(H), as in its authors'
        code.
        """
        summary: Literal["token", "text", "concatenation"] = "token"
        """z: a learned token after cross-attention to the hyper-modality, as published; the mean of
        the text tokens after it; or no fusion transformer: the means of hyper-modality and text
        tokens side by side.
        """
        dropout: Dropout = 0.0

        def stack(self, layers: int) -> nn.ModuleList:
            return nn.ModuleList(
                PreNormLayer(self.width, self.heads, self.ffn, self.dropout) for _ in range(layers)
            )

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        require_heads("fusion", config.width, config.heads)
        self.inputs, self.guide, self.summary = widths, config.guide, config.summary
        self.read = nn.ModuleDict({m: TokenReader(w, config) for m, w in widths.items()})
        self.hyper_KD = nn.Parameter(torch.ones(config.tokens, config.width))
        self.text_positions_KD = nn.Parameter(torch.randn(config.tokens, config.width))
        self.text_layers = config.stack(config.hyper_layers - 1)
        sources: list[Modality] = [m for m in widths if m != "text"]
        self.hyper_layers = nn.ModuleList(
            HyperLayer(sources, config) for _ in range(config.hyper_layers)
        )
        self.width = config.width * (2 if config.summary == "concatenation" else 1)
        if config.summary == "concatenation":
            return
        # The token of each side, at 0, is its own position.
        self.source_positions_KD = nn.Parameter(torch.randn(config.tokens + 1, config.width))
        targets = 1 if config.summary == "token" else config.tokens
        self.target_positions_KD = nn.Parameter(torch.randn(targets, config.width))
        self.fusion_layers = config.stack(config.fusion_layers)

    def scales(self, text_BKD: Tensor) -> list[Tensor]:
        """The text tokens before and after each layer of their encoder, low to high."""
        scales = [text_BKD + self.text_positions_KD]
        all_BK = torch.ones_like(text_BKD[..., 0], dtype=torch.bool)
        for layer in self.text_layers:
            scales.append(layer(scales[-1], scales[-1], all_BK))
        return scales

    def fuse(self, hyper_BKD: Tensor, text_BKD: Tensor) -> Tensor:
        """[B, width]."""
        if self.summary == "concatenation":
            return torch.cat((hyper_BKD.mean(1), text_BKD.mean(1)), 1)
        first_B1D = self.source_positions_KD[:1].expand(len(hyper_BKD), -1, -1)
        hyper_BKD = hyper_BKD + self.source_positions_KD[1:]
        source_BSD = torch.cat((first_B1D, hyper_BKD), 1)
        all_BS = torch.ones_like(source_BSD[..., 0], dtype=torch.bool)
        # Targets do not see each other: where the token alone is read, so is it alone computed.
        target_BTD = self.target_positions_KD.expand(len(hyper_BKD), -1, -1)
        if self.summary == "text":
            target_BTD = target_BTD + text_BKD
        for layer in self.fusion_layers:
            target_BTD = layer(target_BTD, source_BSD, all_BS)
        return target_BTD.mean(1)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        steps = complete(parts, self.inputs)
        tokens = {m: self.read[m](s) for m, s in steps.items()}
        present = {m: s.mask_BL.any(1) for m, s in steps.items()}
        text_BKD = tokens.pop("text")
        return Fused(self.summarise(text_BKD, tokens, present)[:, None])

    def summarise(
        self,
        text_BKD: Tensor,
        non_text: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
    ) -> Tensor:
        """[B, width] of the tokens of each modality."""
        scales = self.scales(text_BKD)
        hyper_BKD = self.hyper_KD.expand(len(text_BKD), -1, -1)
        for scale_BKD, layer in zip(scales, self.hyper_layers, strict=True):
            guides = {"scales": scale_BKD, "last": scales[-1], "itself": hyper_BKD}
            hyper_BKD = layer(hyper_BKD, guides[self.guide], non_text, present)
        return self.fuse(hyper_BKD, scales[-1])
