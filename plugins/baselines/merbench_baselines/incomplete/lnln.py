"""LNLN: language-dominated noise-resistant learning network (Zhang et al. 2024, NeurIPS,
arXiv 2409.20012).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Context, Fused, Modality, Queries, Steps, Tune, complete
from merbench_baselines.fields import Layers
from merbench_baselines.fusions.almt import ALMT


class TokenTransformer(nn.Module):
    """x [B, K, width] after ``count`` learned tokens, with a learned position each, through
    ``layers``. Returns the learned tokens, or all of x where there are none.
    """

    def __init__(self, layers: nn.ModuleList, width: int, length: int, count: int = 0) -> None:
        super().__init__()
        self.layers, self.count = layers, count
        self.positions_KD = nn.Parameter(torch.randn(count + length, width))
        if count:
            self.tokens_CD = nn.Parameter(torch.zeros(count, width))

    def forward(self, x_BKD: Tensor, mask_BK: Tensor) -> Tensor:
        if self.count:
            x_BKD = torch.cat((self.tokens_CD.expand(len(x_BKD), -1, -1), x_BKD), 1)
            learned_BC = torch.ones_like(mask_BK[:, :1]).expand(-1, self.count)
            mask_BK = torch.cat((learned_BC, mask_BK), 1)
        x_BKD = x_BKD + self.positions_KD
        for layer in self.layers:
            x_BKD = layer(x_BKD, x_BKD, mask_BK)
        return x_BKD[:, : self.count] if self.count else x_BKD


class LNLN(ALMT):
    """ALMT on a corrected dominant modality.

    h_l are the text's tokens, w in [0, 1] is how complete they look, h_p are the tokens that audio
    and video propose in their place: h_d = w h_l + (1 - w) h_p stands for the text in ALMT. z = the
    mean of h_d's tokens after the fusion transformer. ``aux``: ``tokens`` [B, M, K, width] of every
    modality, ``proxy`` h_p, ``completeness`` w [B, 1] (1, and h_p zeros, where nothing is
    corrected), ``present`` [B, M].
    """

    class Config(ALMT.Config):
        embed_layers: Layers = 2
        summary: Literal["token", "text", "concatenation"] = "text"
        correct: bool = True
        """False: the text's tokens as they are."""
        correct_layers: Layers = 2
        """Of the transformers that judge the text and propose tokens in its place."""
        judge_hidden: Annotated[int, Field(ge=1), Tune(16, 128, log=True)] = 64
        """Width of the hidden layer that tells how complete the text is; no effect without
        ``correct``.
        """

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__(config, context, widths, query_width)
        d, count = config.width, config.tokens
        self.widths = {"token": d, "tokens": count}
        self.correct = config.correct
        if not config.correct:
            return
        self.judge = TokenTransformer(config.stack(config.correct_layers), d, count, 1)
        self.score = nn.Sequential(
            nn.Linear(d, config.judge_hidden),
            nn.LeakyReLU(0.1),
            nn.Linear(config.judge_hidden, 1),
        )
        n_others = len(widths) - 1
        layers = config.stack(config.correct_layers)
        self.propose = TokenTransformer(layers, d, n_others * count, count)

    def corrected(
        self, tokens: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """w [B, 1] and h_p [B, K, width]."""
        text_BKD = tokens["text"]
        every_BK = torch.ones_like(text_BKD[..., 0], dtype=torch.bool)
        if not self.correct:
            return torch.ones_like(text_BKD[:, :1, 0]), torch.zeros_like(text_BKD)
        completeness_B1 = self.score(self.judge(text_BKD, every_BK)[:, 0]).sigmoid()
        non_text = [m for m in tokens if m != "text"]
        mask_BK = torch.cat([present[m][:, None] & every_BK for m in non_text], 1)
        return completeness_B1, self.propose(torch.cat([tokens[m] for m in non_text], 1), mask_BK)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        steps = complete(parts, self.inputs)
        tokens = {m: self.read[m](s) for m, s in steps.items()}
        present = {m: s.mask_BL.any(1) for m, s in steps.items()}
        completeness_B1, proxy_BKD = self.corrected(tokens, present)
        share_B11 = completeness_B1[..., None]
        dominant_BKD = share_B11 * tokens["text"] + (1 - share_B11) * proxy_BKD
        non_text = {m: x_BKD for m, x_BKD in tokens.items() if m != "text"}
        aux = {
            "tokens": torch.stack(list(tokens.values()), 1),
            "proxy": proxy_BKD,
            "completeness": completeness_B1,
            "present": torch.stack(list(present.values()), 1),
        }
        return Fused(self.summarise(dominant_BKD, non_text, present)[:, None], aux)
