"""CENET: cross-modal enhancement network (Wang et al. 2022, IEEE Transactions on Multimedia,
doi 10.1109/TMM.2022.3183830).
"""

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
    attendable,
    by_length,
    compact,
    complete,
    masked_mean,
)
from merbench_baselines.attention import EncoderLayers
from merbench_baselines.fields import Dropout, Layers
from merbench_baselines.language_model.inside import check_inside


class CrossModalAttention(nn.Module):
    """softmax(c Q K^T) V, Q of the text's steps, K and V of what a network makes of another
    modality's; zeros where a row lacks that.
    """

    def __init__(self, width: int, width_in: int, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness
        self.transform = nn.Sequential(
            nn.Linear(width_in, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, text_BTD: Tensor, steps: Steps) -> Tensor:
        source_BSD = self.transform(steps.x_BLD)
        heard_BTD = F.scaled_dot_product_attention(
            self.query(text_BTD),
            self.key(source_BSD),
            self.value(source_BSD),
            attn_mask=attendable(steps.mask_BL)[:, None],
            scale=self.sharpness,
        )
        return torch.where(steps.mask_BL.any(1)[:, None, None], heard_BTD, 0.0)


class Enhancement(nn.Module):
    """h + W [what the text's steps find in each other modality] + b."""

    def __init__(self, width: int, non_text: Mapping[str, int], sharpness: float) -> None:
        super().__init__()
        self.find = nn.ModuleDict(
            {m: CrossModalAttention(width, w, sharpness) for m, w in non_text.items()}
        )
        self.out = nn.Linear(len(non_text) * width, width)

    def forward(self, text_BTD: Tensor, non_text: Mapping[str, Steps]) -> Tensor:
        attended = [self.find[m](text_BTD, steps) for m, steps in non_text.items()]
        return text_BTD + self.out(torch.cat(attended, 2))


class CENET(nn.Module):
    """Text steps, shifted by what they find in audio and video, inside the model that reads the
    text: the text encoder's language model, or a small transformer over word vectors where it has
    none. z = tanh(W x + b), x the mean of its real steps or their first.

    The enhancement comes after the first layer, as published.
    """

    class Config(Config):
        width: Annotated[int, Field(ge=1), Tune(choices=(32, 64, 128, 256))] = 64
        """Of the small transformer, as are layers and heads."""
        layers: Layers = 2
        after: Annotated[int, Field(ge=0)] = 1
        """So many layers before the enhancement."""
        heads: Annotated[int, Field(ge=1), Tune(choices=(1, 2, 4))] = 4
        sharpness: Annotated[float, Field(gt=0), Tune(0.1, 10.0, log=True)] = 8.0
        """What scores are multiplied by before their softmax."""
        read: Literal["mean", "first"] = "mean"
        """What is read of the text's last states: their mean, or the first (BERT's [CLS])."""
        dropout: Dropout = 0.1

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
        check_inside("cenet", config, self.language)
        self.width = d = config.width if has_own_transformer else self.language.width
        self.project = nn.Linear(widths["text"], d) if has_own_transformer else nn.Identity()
        non_text = {m: w for m, w in widths.items() if m != "text"}
        self.enhance = Enhancement(d, non_text, config.sharpness)
        self.layers = EncoderLayers(
            config.layers if has_own_transformer else 0, d, config.heads, config.dropout
        )
        self.out = nn.Linear(d, d)
        self.dropout = nn.Dropout(config.dropout)

    def pooled(self, parts: dict[Modality, Steps]) -> Tensor:
        x_BLD, mask_BL = parts["text"]
        non_text = {m: steps for m, steps in parts.items() if m != "text"}
        reader = self.layers if self.language is None else self.language
        enter = {self.config.after: lambda h_BLD: self.enhance(h_BLD, non_text)}
        h_BLD = reader.run(self.project(x_BLD), mask_BL, enter)
        return masked_mean(h_BLD, mask_BL) if self.config.read == "mean" else h_BLD[:, 0]

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        steps = {m: compact(s) for m, s in complete(parts, self.inputs).items()}
        if self.language is None:
            pooled_BD = by_length(self.pooled, steps)
        else:  # of a row without text its states follow from how far the batch is padded
            there_B1 = steps["text"].mask_BL.any(1, keepdim=True)
            pooled_BD = torch.where(there_B1, self.pooled(steps), 0.0)
        x_BD = self.out(self.dropout(pooled_BD)).tanh()
        return Fused(self.dropout(x_BD)[:, None])
