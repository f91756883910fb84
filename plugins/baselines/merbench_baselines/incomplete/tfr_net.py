"""TFR-Net: transformer-based feature reconstruction (Yuan et al. 2021, ACM Multimedia,
doi 10.1145/3474085.3475585).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

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
    complete,
    masked_max,
    require_heads,
)
from merbench_baselines.fields import (
    AudioDropout,
    AudioKernel,
    AudioWidth,
    Dropout,
    ManyLayers,
    TextDropout,
    TextKernel,
    TextWidth,
    VideoDropout,
    VideoKernel,
    VideoWidth,
    by_modality,
)
from merbench_baselines.fusions.mult import Block, MulT, positions
from merbench_baselines.layers import convolutions, convolved


def spans(mask_BL: Tensor) -> Tensor:
    """[B, L]: real steps and those before a row's last one, which are missing."""
    return mask_BL.flip(1).cumsum(1).flip(1) > 0


def across_features(h_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """h + h A, A = softmax(h^T h / sqrt(L)) [D, D] over the real steps: features attend to
    features.
    """
    real_BLD = torch.where(mask_BL[..., None], h_BLD, 0.0)
    count_B11 = mask_BL.sum(1).clamp(min=1)[:, None, None]
    score_BDD = real_BLD.transpose(1, 2) @ real_BLD / count_B11.sqrt()
    return h_BLD + h_BLD @ score_BDD.softmax(2).transpose(1, 2)


class BiGRU(nn.Module):
    """GRUs from both directions over rows whose real steps come first: states [B, L, 2 hidden]."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.forward_gru = nn.GRU(width, hidden, batch_first=True)
        self.backward_gru = nn.GRU(width, hidden, batch_first=True)

    def forward(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        # Rows are reversed within their real steps: torch's packed sequences run half as fast.
        at_L = torch.arange(mask_BL.shape[1], device=mask_BL.device)
        mirror_BL1 = torch.where(mask_BL, mask_BL.sum(1, keepdim=True) - 1 - at_L, at_L)[..., None]
        onward_BLH = self.forward_gru(x_BLD)[0]
        backward_BLH = self.backward_gru(x_BLD.gather(1, mirror_BL1.expand_as(x_BLD)))[0]
        backward_BLH = backward_BLH.gather(1, mirror_BL1.expand_as(backward_BLH))
        return torch.cat((onward_BLH, backward_BLH), 2)


class GatedSummary(nn.Module):
    """Steps -> [B, width]: the maximum over time of tanh(W [h; g * tanh(GRU(h))] + b), with a gate
    g = sigmoid(conv(GRU(h))) a step; zeros where there is no step.
    """

    def __init__(self, width_in: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [width_in, *[2 * width] * (layers - 1)]
        self.grus = nn.ModuleList(BiGRU(size, width) for size in sizes)
        self.gate = nn.Conv1d(2 * width, 1, 3, padding=1)
        self.out = nn.Linear(2 * width + width_in, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        g_BLE = h_BLD
        for gru in self.grus:
            g_BLE = torch.where(mask_BL[..., None], gru(g_BLE, mask_BL), 0.0)
        gate_BL1 = self.gate(g_BLE.transpose(1, 2)).transpose(1, 2).sigmoid()
        both_BLC = torch.cat((h_BLD, g_BLE.tanh() * gate_BL1), 2)
        return self.dropout(masked_max(self.out(both_BLC).tanh(), mask_BL))


class TFRNet(nn.Module):
    """z = a gated summary of every modality, side by side. Each step of a modality first attends to
    its own sequence and to those of the others, also where it is missing itself.

    A missing step is one without content that nothing attends to; those before a row's last real
    step are restored from the others (``aux``: ``restored.MODALITY`` [B, L, width]) and take part
    in the summary. A missing modality is zeros.
    """

    class Config(Config):
        width: Annotated[int, Field(ge=1), Tune(choices=(30, 60))] = 30
        heads: Annotated[int, Field(ge=1), Tune(choices=(2, 5, 6, 10))] = 6
        layers: ManyLayers = 3
        """Of every transformer."""
        across: bool = True
        """The other modalities' steps are attended to as well as the own ones."""
        kernel_text: TextKernel = 1
        kernel_audio: AudioKernel = 5
        kernel_video: VideoKernel = 3
        summary_text: TextWidth = 36
        """Width of the text's gated summary, and of each direction of its GRUs."""
        summary_audio: AudioWidth = 20
        """Width of the audio's gated summary, and of each direction of its GRUs."""
        summary_video: VideoWidth = 48
        """Width of the video's gated summary, and of each direction of its GRUs."""
        gru_layers: Annotated[int, Field(ge=1), Tune(1, 3)] = 3
        """Number of layers of the GRUs of each summary."""
        text_dropout: TextDropout = 0.2
        attn_dropout_text: TextDropout = 0.2
        attn_dropout_audio: AudioDropout = 0.1
        attn_dropout_video: VideoDropout = 0.0
        embed_dropout: Dropout = 0.2
        relu_dropout: Dropout = 0.2
        res_dropout: Dropout = 0.2
        summary_dropout: Dropout = 0.2

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        d = config.width
        require_heads("fusion", d, config.heads)
        self.inputs = widths
        self.text_dropout = nn.Dropout(config.text_dropout)
        self.embed_dropout = nn.Dropout(config.embed_dropout)
        self.convolve = convolutions(widths, d, by_modality(config, "kernel", widths))
        attn = by_modality(config, "attn_dropout", widths)
        blocks = MulT.Config(
            heads=config.heads,
            residual="plain",
            relu_dropout=config.relu_dropout,
            res_dropout=config.res_dropout,
        )
        self.sources = {m: [m, *(o for o in widths if o != m and config.across)] for m in widths}
        self.attend = nn.ModuleDict(
            {
                f"{source}_to_{target}": nn.ModuleList(
                    Block(d, attn[source], blocks) for _ in range(config.layers)
                )
                for target, sources in self.sources.items()
                for source in sources
            }
        )
        self.norms = nn.ModuleDict({name: nn.LayerNorm(d) for name in self.attend})
        wide = {m: d * len(sources) for m, sources in self.sources.items()}
        summary = by_modality(config, "summary", widths)
        self.summaries = nn.ModuleDict(
            {
                m: GatedSummary(wide[m], summary[m], config.gru_layers, config.summary_dropout)
                for m in widths
            }
        )
        self.width = sum(summary.values())
        self.widths = {f"restored.{m}": w for m, w in wide.items()}

    def embed(self, m: Modality, steps: Steps) -> Tensor:
        dropout = self.text_dropout if m == "text" else None
        x_BLd = convolved(self.convolve[m], steps, dropout)
        # Of a missing step the convolution saw its neighbours; of padding it must show nothing.
        x_BLd = torch.where(spans(steps.mask_BL)[..., None], x_BLd, 0.0)
        _, length, width = x_BLd.shape
        return self.embed_dropout(width**0.5 * x_BLd + positions(length, width, x_BLd.device))

    def enhanced(
        self, target: Modality, x: Mapping[Modality, Tensor], masks: Mapping[Modality, Tensor]
    ) -> Tensor:
        """[B, L, width * sources]: every step of the target after attention to each source."""
        towards = []
        for source in self.sources[target]:
            name = f"{source}_to_{target}"
            z_BTD = x[target]
            for block in self.attend[name]:
                z_BTD = block(z_BTD, None if source == target else x[source], masks[source])
            towards.append(self.norms[name](z_BTD))
        return torch.cat(towards, 2)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        steps = complete(parts, self.inputs)
        x = {m: self.embed(m, s) for m, s in steps.items()}
        masks = {m: s.mask_BL for m, s in steps.items()}
        summaries, aux = [], dict[str, Tensor]()
        for m in steps:
            h_BLC = self.enhanced(m, x, masks)
            span_BL = spans(masks[m])
            aux[f"restored.{m}"] = across_features(h_BLC, span_BL)
            summaries.append(self.summaries[m](h_BLC, span_BL))
        return Fused(torch.cat(summaries, 1)[:, None], aux)
