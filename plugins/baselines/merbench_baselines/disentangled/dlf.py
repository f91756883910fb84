"""DLF: disentangled, language-focused (Wang et al. 2025, AAAI, arXiv 2412.12225)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from merbench.api import (
    Config,
    Context,
    Modality,
    Steps,
    masked_mean,
    require_heads,
)
from merbench_baselines.disentangled.parting import PartedFusion, parting_errors
from merbench_baselines.fields import (
    AudioDropout,
    Dropout,
    Heads,
    Kernel,
    Layers,
    StepWidth,
    TextDropout,
    VideoDropout,
    by_modality,
)
from merbench_baselines.layers import Residual, convolutions
from merbench_baselines.transformer import Transformer


class Disentangled(nn.Module):
    """One modality's steps x in two spaces, s = E_m(x) of its own and c = E(x) of all, and how well
    they part.
    """

    def __init__(self, config: DLF.Config, attn_dropout: float) -> None:
        super().__init__()
        self.own = Transformer(config.width, config.layers, attn_dropout, config)
        self.decode = nn.Linear(2 * config.width, config.width, bias=False)
        self.align = nn.Linear(config.width, config.width)

    def forward(
        self, x_BLD: Tensor, mask_BL: Tensor, shared: Transformer
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """s, c [B, L, D], and per row ``parting_errors`` and the aligned mean of c [B, D]."""
        s_BLD, c_BLD = self.own(x_BLD, mask_BL), shared(x_BLD, mask_BL)
        decoded_BLD = self.decode(torch.cat((s_BLD, c_BLD), 2))
        again_BLD = self.own(decoded_BLD, mask_BL)
        errors = parting_errors(x_BLD, decoded_BLD, s_BLD, again_BLD, c_BLD, mask_BL)
        return s_BLD, c_BLD, [*errors, self.align(masked_mean(c_BLD, mask_BL))]


class DLF(PartedFusion):
    """z = residual network over sigmoids of what the text attends to in its own and the other
    modalities' private steps, and of what is shared.

    ``aux``: ``reconstruction``, ``specific`` and ``orthogonality`` [B, M] of ``Disentangled``,
    ``aligned`` [B, M, D], ``present`` [B, M], and ``branches``, the parts of z before the last
    network, side by side (``widths`` has each as ``branch.NAME``).
    """

    class Config(Config):
        width: StepWidth = 50
        heads: Heads = 10
        layers: Layers = 2
        memory_layers: Layers = 3
        """Of the transformers after the text's attention to audio and video."""
        attractor: bool = True
        """The text attends to audio and video; False: each attends to itself alone."""
        kernel: Kernel = 5
        """Of the convolutions over time."""
        text_dropout: TextDropout = 0.5
        attn_dropout_text: Dropout = 0.3
        """Share of source steps zeroed in training, in attention to text, in the encoder that all
        modalities share, and in every transformer after the text's attention.
        """
        attn_dropout_audio: AudioDropout = 0.2
        attn_dropout_video: VideoDropout = 0.0
        embed_dropout: Dropout = 0.2
        relu_dropout: Dropout = 0.0
        res_dropout: Dropout = 0.0
        out_dropout: Dropout = 0.5

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        d, count = config.width, len(widths)
        require_heads("fusion", d, config.heads)
        self.inputs, self.attractor = widths, config.attractor
        attn = by_modality(config, "attn_dropout", widths)
        self.text_dropout = nn.Dropout(config.text_dropout)
        self.convolve = convolutions(widths, d, dict.fromkeys(widths, config.kernel))
        self.part = nn.ModuleDict({m: Disentangled(config, attn[m]) for m in widths})
        text = config.attn_dropout_text
        self.shared = Transformer(d, config.layers, text, config)
        self.shared_memory = nn.ModuleDict(
            {m: Transformer(d, config.layers, attn[m], config) for m in widths}
        )
        non_text = [m for m in widths if m != "text"] if config.attractor else []
        self.attract = nn.ModuleDict(
            {m: Transformer(d, config.layers, attn[m], config) for m in non_text}
        )
        layers = {m: config.layers if m == "text" else config.memory_layers for m in widths}
        self.memory = nn.ModuleDict({m: Transformer(d, layers[m], text, config) for m in widths})
        branches = {**dict.fromkeys(widths, d), "shared": count * d}
        self.residual = nn.ModuleDict(
            {name: Residual(w, config.out_dropout) for name, w in branches.items()}
        )
        self.project = nn.ModuleDict({name: nn.Linear(w, w) for name, w in branches.items()})
        self.width = sum(branches.values())
        self.last = Residual(self.width, config.out_dropout)
        self.widths = {f"branch.{name}": w for name, w in branches.items()}
        self.columns = (*[1] * 3 * count, count * d, self.width, self.width)

    def attracted(
        self, specific: Mapping[Modality, Tensor], parts: Mapping[Modality, Steps]
    ) -> list[Tensor]:
        """h_m [B, D] of every modality: the text's last step after it attended to m."""
        last = []
        text_BT = parts["text"].mask_BL
        for m, s_BLD in specific.items():
            z_BTD, mask_BT = s_BLD, parts[m].mask_BL
            if m in self.attract:
                z_BTD, mask_BT = self.attract[m](specific["text"], mask_BT, s_BLD), text_BT
            last.append(self.memory[m].last_step(z_BTD, mask_BT))
        return last

    def read(self, parts: dict[str, Steps]) -> Tensor:
        """[B, sum of ``columns``]: everything the forward pass returns, side by side."""
        specific, common, parted = {}, [], []
        for m, steps in parts.items():
            mask_BL = steps.mask_BL
            s_BLD, c_BLD, errors = self.part[m](self.embed(m, steps), mask_BL, self.shared)
            specific[m] = s_BLD
            common.append(self.shared_memory[m].last_step(c_BLD, mask_BL))
            parted.append(errors)
        h = dict(zip(specific, self.attracted(specific, parts), strict=True))
        branches = {m: self.residual[m](h_BD) for m, h_BD in h.items()}
        shared_BD = torch.cat(common, 1)
        fused = [self.project[m](x_BD).sigmoid() for m, x_BD in branches.items()]
        fused.append(self.project["shared"](shared_BD).sigmoid())
        z_BD = self.last(torch.cat(fused, 1))
        by_kind = [x for kind in zip(*parted, strict=True) for x in kind]
        return torch.cat(
            (*by_kind, *branches.values(), self.residual["shared"](shared_BD), z_BD), 1
        )
