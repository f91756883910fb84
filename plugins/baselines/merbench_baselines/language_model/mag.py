"""MAG: the multimodal adaptation gate (Rahman et al. 2020, ACL, arXiv 1908.05787)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    LATER,
    Config,
    Context,
    Fused,
    Modality,
    Queries,
    Steps,
    Tokens,
    Tune,
    at_pieces,
    by_length,
    compact,
    complete,
    masked_mean,
    resample,
)
from merbench_baselines.attention import EncoderLayers
from merbench_baselines.fields import Dropout
from merbench_baselines.language_model.inside import check_inside

TINY = 1e-6


class AdaptationGate(nn.Module):
    """z' = dropout(LayerNorm(z + alpha H)) (section 4.1): H = sum_m g_m * (W_m a_m) + b,
    g_m = ReLU(W_gm [z; a_m] + b_gm), alpha = min(beta |z| / |H|, 1).
    """

    def __init__(self, width: int, widths: Mapping[str, int], beta: float, dropout: float) -> None:
        super().__init__()
        self.beta = beta
        self.gate = nn.ModuleDict({m: nn.Linear(width + w, width) for m, w in widths.items()})
        self.shift = nn.ModuleDict({m: nn.Linear(w, width, bias=False) for m, w in widths.items()})
        self.bias_D = nn.Parameter(torch.zeros(width))
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)

    def forward(self, z_BLD: Tensor, non_text: Mapping[str, Tensor]) -> Tensor:
        """``non_text`` [B, L, D_m] at the steps of z."""
        h_BLD = self.bias_D.expand_as(z_BLD)
        for m, x_BLA in non_text.items():
            gate_BLD = self.gate[m](torch.cat((z_BLD, x_BLA), 2)).relu()
            h_BLD = h_BLD + gate_BLD * self.shift[m](x_BLA)
        z_norm, h_norm = (torch.linalg.vector_norm(x, dim=2, keepdim=True) for x in (z_BLD, h_BLD))
        alpha = (self.beta * z_norm / (h_norm + TINY)).clamp(max=1.0)
        return self.dropout(self.norm(z_BLD + alpha * h_BLD))


class MAG(nn.Module):
    """Text steps shifted by what is heard and seen at them, inside the model that reads the text:
    the text encoder's language model, or a small transformer over word vectors where it has none.

    Audio and video are brought to the text's words; where a row lacks one, it shifts nothing.
    """

    class Config(Config):
        width: Annotated[int, Field(ge=1), Tune(choices=(32, 64, 128, 256))] = 64
        """This and the next two, and attention_dropout: of the small transformer."""
        layers: Annotated[int, Field(ge=0), Tune(0, 4)] = 2
        heads: Annotated[int, Field(ge=1), Tune(choices=(1, 2, 4))] = 4
        after: Annotated[int, Field(ge=0), LATER] = 0
        """So many layers before the gate; 0: after the embeddings, the paper's best setting."""
        beta: Annotated[float, Field(gt=0), Tune(0.01, 2.0, log=True)] = 1.0
        """How far a step is shifted at most, as a share of its length."""
        read: Annotated[Literal["mean", "first"], LATER] = "mean"
        """The mean of the real states, or the first (BERT's [CLS])."""
        dropout: Dropout = 0.3
        attention_dropout: Dropout = 0.1

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.inputs, self.config, self.language = widths, config, context.language_model
        has_own_transformer = self.language is None
        check_inside("mag", config, self.language)
        self.width = width = config.width if has_own_transformer else self.language.width
        self.project = nn.Linear(widths["text"], width) if has_own_transformer else nn.Identity()
        non_text = {m: w for m, w in widths.items() if m != "text"}
        self.gate = AdaptationGate(width, non_text, config.beta, config.dropout)
        depth, dropout = config.layers if has_own_transformer else 0, config.attention_dropout
        self.layers = EncoderLayers(depth, width, config.heads, dropout)

    def pooled(self, parts: dict[str, Steps]) -> Tensor:
        """[B, D], of text steps and what is heard and seen at each of them."""
        x_BLD, mask_BL = parts["text"]
        non_text = {m: steps.x_BLD for m, steps in parts.items() if m != "text"}
        reader = self.layers if self.language is None else self.language
        enter = {self.config.after: lambda z_BLD: self.gate(z_BLD, non_text)}
        z_BLD = reader.run(self.project(x_BLD), mask_BL, enter)
        return masked_mean(z_BLD, mask_BL) if self.config.read == "mean" else z_BLD[:, 0]

    def forward(
        self,
        parts: Mapping[Modality, Steps],
        queries: Queries | None = None,
        tokens: Tokens | None = None,
    ) -> Fused:
        steps = complete(parts, self.inputs)
        text = steps["text"]
        if self.language is not None:
            at_text = {
                m: Steps(at_pieces(s, text.mask_BL, tokens), text.mask_BL)
                for m, s in steps.items()
                if m != "text"
            }
            z_BD = self.pooled({"text": text, **at_text})
            return Fused(torch.where(text.mask_BL.any(1, keepdim=True), z_BD, 0.0)[:, None])
        return Fused(by_length(self.pooled, self._at_steps(steps))[:, None])

    def _at_steps(self, steps: Mapping[Modality, Steps]) -> dict[str, Steps]:
        """Every modality at the text's steps, real ones first."""
        text = compact(steps["text"])
        length_B = text.mask_BL.sum(1)
        longest = max(1, int(length_B.max()))
        mask_BL = text.mask_BL[:, :longest]
        at_text: dict[str, Steps] = {}
        for m, stream in steps.items():
            x_BLD = text.x_BLD if m == "text" else resample(stream, length_B)
            at_text[m] = Steps(torch.where(mask_BL[..., None], x_BLD[:, :longest], 0.0), mask_BL)
        return at_text
