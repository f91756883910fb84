"""KuDA: knowledge-guided dynamic modality attention (Feng et al. 2024, EMNLP Findings,
arXiv 2410.04491).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
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
    masked_mean,
    present_modalities,
    require_heads,
)
from merbench_baselines.align import aligned
from merbench_baselines.attention import Attention, EncoderLayer
from merbench_baselines.fields import Dropout, Layers
from merbench_baselines.layers import hidden_layer
from merbench_baselines.transformer import PositionsFromZero


class Adapter(nn.Module):
    """x + Up(transformer(Down x)): knowledge of sentiment, added to that of the stream."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        narrow = width // 2
        self.down, self.up = nn.Linear(width, narrow), nn.Linear(narrow, width)
        self.layers = nn.ModuleList(
            EncoderLayer(narrow, 4, narrow // 2, 0.1, nn.GELU) for _ in range(layers)
        )

    def forward(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        h_BLN = self.down(x_BLD)
        for layer in self.layers:
            h_BLN = layer(h_BLN, mask_BL)
        return x_BLD + self.up(h_BLN)


class KnowledgeReader(nn.Module):
    """Steps -> [B, L, 2 width]: the states of a transformer, and beside them the knowledge that
    adapters gather from layer to layer: k_1 = A_1(LN(x_0 + x_1)), k_n = A_n(LN(k_{n-1} + x_n)).
    """

    def __init__(self, width_in: int, config: KuDA.Config) -> None:
        super().__init__()
        width, heads = config.reading, config.heads
        self.project = nn.Linear(width_in, width)
        self.layers = nn.ModuleList(
            EncoderLayer(width, heads, width // 2, config.reading_dropout, nn.GELU)
            for _ in range(config.reading_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.place = PositionsFromZero(width)

    def forward(self, steps: Steps, adapters: nn.ModuleList | None) -> Tensor:
        x_BLD, mask_BL = self.place(self.project(steps.x_BLD)), steps.mask_BL
        knowledge_BLD = x_BLD
        for number, layer in enumerate(self.layers):
            x_BLD = layer(x_BLD, mask_BL)
            if adapters is not None and number < len(adapters):
                knowledge_BLD = self.norm(knowledge_BLD + x_BLD)
                knowledge_BLD = adapters[number](knowledge_BLD, mask_BL)
        states_BLD = self.norm(x_BLD)
        return torch.cat((states_BLD, states_BLD if adapters is None else knowledge_BLD), 2)


class CrossLayer(nn.Module):
    """x = LN(s + Attention(s, source)); LN(x + f(LN(x))), f two layers with GELU. Dropout after the
    attention and after both layers.
    """

    def __init__(self, width: int, heads: int, ffn: int, dropout: float) -> None:
        super().__init__()
        self.attend, self.dropout = Attention(width, heads, 0.0), nn.Dropout(dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.f = nn.Sequential(
            nn.Linear(width, ffn),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(ffn, width),
            nn.Dropout(dropout),
        )

    def forward(self, s_BTD: Tensor, source: Steps) -> Tensor:
        x_BTD = self.norms[0](s_BTD + self.dropout(self.attend(s_BTD, *source)))
        return self.norms[1](x_BTD + self.f(self.norms[2](x_BTD)))


class DynamicBlock(nn.Module):
    """What the fused steps find in each modality, added up by the modalities' ratios; then
    self-attention and a feed-forward network, each added and normed.
    """

    def __init__(self, modalities: list[Modality], config: KuDA.Config) -> None:
        super().__init__()
        width, heads, ffn = config.width, config.heads, config.ffn
        self.weighing = config.weighing
        self.cross = nn.ModuleDict(
            {m: CrossLayer(width, heads, ffn, config.dropout) for m in modalities}
        )
        self.norm_each = nn.ModuleDict({m: nn.LayerNorm(width) for m in modalities})
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(5))
        self.attend = Attention(width, heads, 0.0)
        self.f = nn.Sequential(nn.Linear(width, ffn), nn.GELU(), nn.Linear(ffn, width))

    def gathered(
        self, s_BTD: Tensor, sources: Mapping[Modality, Steps], ratio_BM: Tensor
    ) -> Tensor:
        """LN(sum_m (1 + r_m) LN(c_m)); ``inside``: LN(sum_m LN((1 + r_m) c_m)). A modality that a
        row lacks adds nothing.
        """
        total_BTD = torch.zeros_like(s_BTD)
        for (m, source), ratio_B in zip(sources.items(), ratio_BM.unbind(1), strict=True):
            attended_BTD, weight_B11 = self.cross[m](s_BTD, source), 1 + ratio_B[:, None, None]
            if self.weighing == "inside":
                attended_BTD = self.norm_each[m](weight_B11 * attended_BTD)
            else:
                attended_BTD = weight_B11 * self.norm_each[m](attended_BTD)
            there_B11 = source.mask_BL.any(1)[:, None, None]
            total_BTD = total_BTD + torch.where(there_B11, attended_BTD, 0.0)
        return self.norms[0](total_BTD)

    def forward(
        self,
        s_BTD: Tensor,
        mask_BT: Tensor,
        sources: Mapping[Modality, Steps],
        ratio_BM: Tensor,
    ) -> Tensor:
        s_BTD = self.norms[1](s_BTD + self.gathered(s_BTD, sources, ratio_BM))
        s_BTD = self.norms[2](s_BTD + self.attend(s_BTD, s_BTD, mask_BT))
        return self.norms[3](s_BTD + self.f(self.norms[4](s_BTD)))


def sentiment_ratios(score_BM: Tensor, present_BM: Tensor, sharpness: float) -> Tensor:
    """r [B, M] = exp(-k (y_m - y)^2), over the sum of all; y: the mean of the scores of the
    modalities that a row has. 0 where it lacks one.
    """
    count_B1 = present_BM.sum(1, keepdim=True).clamp(min=1)
    mean_B1 = torch.where(present_BM, score_BM, 0.0).sum(1, keepdim=True) / count_B1
    near_BM = (-sharpness * (score_BM - mean_B1).square()).exp()
    near_BM = torch.where(present_BM, near_BM, 0.0)
    return near_BM / near_BM.sum(1, keepdim=True).clamp(min=1e-12)


class KuDA(nn.Module):
    """z = the mean over steps of what blocks of dynamic attention make of the sum of all
    modalities, brought to one clock.

    ``aux``: ``scores`` [B, M], predicted of each modality by itself; ``means`` [B, M, width], of
    the steps that are attended to; ``scored``, which modalities a row has [B, M].
    """

    class Config(Config):
        width: Annotated[int, Field(ge=1), Tune(choices=(64, 128, 256))] = 256
        heads: Annotated[int, Field(ge=1), Tune(choices=(2, 4, 8))] = 8
        ffn: Annotated[int, Field(ge=1), Tune(128, 1024, log=True)] = 512
        """Width of the hidden layer of the feed-forward networks in the blocks of dynamic
        attention.
        """
        layers: Layers = 3
        """Blocks of dynamic attention."""
        dropout: Dropout = 0.3
        """Of what is found in each modality."""
        reading: Annotated[int, Field(ge=8, multiple_of=8), Tune(choices=(64, 128, 256))] = 128
        """Width of the transformers that read the streams."""
        reading_layers: Layers = 4
        """Number of layers of the transformers that read the streams."""
        reading_dropout: Dropout = 0.2
        """Of the transformers that read the streams."""
        adapters: Annotated[int, Field(ge=0)] = 3
        """Layers of a reading transformer whose states an adapter takes up; 0: no knowledge beside
        the states.
        """
        adapter_layers: Layers = 2
        """Number of layers of each adapter."""
        guided: bool = True
        """False: every modality counts alike."""
        sharpness: Annotated[float, Field(gt=0), Tune(0.01, 2.0, log=True)] = 0.1
        """k of the ratios."""
        weighing: Literal["outside", "inside"] = "outside"
        """Whether ratios weigh what was normed, or are inside the norm, as in the authors' code,
        where they have no effect.
        """

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        for name in ("width", "reading"):
            require_heads("fusion", getattr(config, name), config.heads, name)
        self.config, self.inputs, self.width = config, widths, config.width
        modalities, double = list(widths), 2 * config.reading
        self.read = nn.ModuleDict({m: KnowledgeReader(w, config) for m, w in widths.items()})
        self.adapt = nn.ModuleDict(
            {
                m: nn.ModuleList(
                    Adapter(config.reading, config.adapter_layers) for _ in range(config.adapters)
                )
                for m in modalities
            }
        )
        self.score = nn.ModuleDict(
            {m: hidden_layer(double, config.reading // 2, 1) for m in modalities}
        )
        self.narrow = nn.ModuleDict({m: nn.Linear(double, config.width) for m in modalities})
        self.blocks = nn.ModuleList(DynamicBlock(modalities, config) for _ in range(config.layers))

    def run(self, parts: dict[str, Steps]) -> Tensor:
        """[B, M + M width + width]: scores, means and z, side by side."""
        read = {}
        for m, steps in parts.items():
            adapters = self.adapt[m] if len(self.adapt[m]) else None
            read[m] = Steps(self.read[m](steps, adapters), steps.mask_BL)
        scores = [self.score[m](masked_mean(*steps)) for m, steps in read.items()]
        score_BM = torch.cat(scores, 1)
        narrow = {m: Steps(self.narrow[m](x_BLD), mask) for m, (x_BLD, mask) in read.items()}
        sources: dict[Modality, Steps] = aligned(narrow)  # type: ignore[arg-type]
        present_BM = present_modalities(narrow)
        clock_BT = next(iter(sources.values())).mask_BL
        sources = {
            m: Steps(steps.x_BLD, clock_BT & present_B[:, None])
            for (m, steps), present_B in zip(sources.items(), present_BM.unbind(1), strict=True)
        }
        ratio_BM = torch.zeros_like(score_BM)
        if self.config.guided:
            ratio_BM = sentiment_ratios(score_BM, present_BM, self.config.sharpness)
        s_BTD = sum(
            torch.where(steps.mask_BL[..., None], steps.x_BLD, 0.0) for steps in sources.values()
        )
        for block in self.blocks:
            s_BTD = block(s_BTD, clock_BT, sources, ratio_BM)
        means = [masked_mean(*steps) for steps in sources.values()]
        return torch.cat((score_BM, *means, masked_mean(s_BTD, clock_BT)), 1)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        steps = {m: compact(s) for m, s in complete(parts, self.inputs).items()}
        count = len(steps)
        columns = by_length(self.run, steps, attends=True).split(
            (count, count * self.width, self.width), 1
        )
        present_BM = present_modalities(steps)
        aux = {
            "scores": columns[0],
            "means": columns[1].unflatten(1, (count, self.width)),
            "scored": present_BM,
        }
        return Fused(columns[2][:, None], aux)
