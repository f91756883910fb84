"""DMD: decoupled multimodal distilling (Li et al. 2023, CVPR, arXiv 2303.13802)."""

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
    AudioKernel,
    Dropout,
    Heads,
    ManyLayers,
    StepWidth,
    TextDropout,
    TextKernel,
    VideoDropout,
    VideoKernel,
    by_modality,
)
from merbench_baselines.layers import Residual, convolutions
from merbench_baselines.transformer import Transformer


class Decoupled(nn.Module):
    """One modality's steps x as s = W_m x of its own and c = W x of all (section 3.1), and how well
    they part.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own = nn.Linear(width, width, bias=False)
        self.decode = nn.Linear(2 * width, width, bias=False)
        self.align = nn.Linear(width, width)

    def forward(
        self, x_BLD: Tensor, mask_BL: Tensor, shared: nn.Module
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """s, c [B, L, D], and per row ``parting_errors`` and the aligned mean of c [B, D]."""
        s_BLD, c_BLD = self.own(x_BLD), shared(x_BLD)
        decoded_BLD = self.decode(torch.cat((s_BLD, c_BLD), 2))
        errors = parting_errors(x_BLD, decoded_BLD, s_BLD, self.own(decoded_BLD), c_BLD, mask_BL)
        return s_BLD, c_BLD, [*errors, self.align(masked_mean(c_BLD, mask_BL))]


class DMD(PartedFusion):
    """z = residual network over sigmoids of what the private steps of every modality find in each
    other, and of what is shared.

    ``aux``: ``reconstruction``, ``specific`` and ``orthogonality`` [B, M] of ``Decoupled``,
    ``aligned`` [B, M, D], ``present`` [B, M], and ``branches``, the vectors that have a task of
    their own, side by side (``widths`` has each as ``branch.NAME``): ``shared``,
    ``homogeneous.MODALITY`` and ``heterogeneous.MODALITY``.
    """

    class Config(Config):
        width: StepWidth = 50
        heads: Heads = 10
        layers: ManyLayers = 4
        """Of every transformer."""
        crossmodal: bool = True
        """Private steps attend to those of the other modalities; False: to their own."""
        kernel_text: TextKernel = 5
        kernel_audio: AudioKernel = 5
        kernel_video: VideoKernel = 5
        text_dropout: TextDropout = 0.5
        attn_dropout_text: Dropout = 0.3
        """Share of source steps zeroed in training, in attention to text and in the self-attention
        that follows for every modality.
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
        self.inputs = widths
        self.text_dropout = nn.Dropout(config.text_dropout)
        attn = by_modality(config, "attn_dropout", widths)
        self.convolve = convolutions(widths, d, by_modality(config, "kernel", widths))
        self.shared = nn.Linear(d, d, bias=False)
        self.part = nn.ModuleDict({m: Decoupled(d) for m in widths})
        self.shared_memory = nn.ModuleDict(
            {m: Transformer(d, config.layers, attn[m], config) for m in widths}
        )
        self.sources: dict[Modality, list[Modality]] = {
            m: [o for o in widths if (o != m) == config.crossmodal] for m in widths
        }
        self.cross = nn.ModuleDict(
            {
                f"{source}_to_{target}": Transformer(d, config.layers, attn[source], config)
                for target, sources in self.sources.items()
                for source in sources
            }
        )
        wide = {m: d * len(sources) for m, sources in self.sources.items()}
        text = config.attn_dropout_text
        self.memory = nn.ModuleDict(
            {m: Transformer(w, config.layers, text, config) for m, w in wide.items()}
        )
        fused = {**wide, "shared": count * d}
        self.project = nn.ModuleDict({name: nn.Linear(w, w) for name, w in fused.items()})
        branches = {"shared": count * d}
        branches |= {f"homogeneous.{m}": d for m in widths}
        branches |= {f"heterogeneous.{m}": w for m, w in wide.items()}
        self.residual = nn.ModuleDict(
            {n.replace(".", "_"): Residual(w, config.out_dropout) for n, w in branches.items()}
        )
        self.width = sum(fused.values())
        self.last = Residual(self.width, config.out_dropout)
        self.widths = {f"branch.{name}": w for name, w in branches.items()}
        self.columns = (*[1] * 3 * count, count * d, sum(branches.values()), self.width)

    def attended(
        self, specific: Mapping[Modality, Tensor], masks: Mapping[Modality, Tensor]
    ) -> dict[Modality, Tensor]:
        """Modality -> [B, D'], the last step of what its private steps find."""
        last: dict[Modality, Tensor] = {}
        for target, sources in self.sources.items():
            towards = [
                self.cross[f"{source}_to_{target}"](
                    specific[target], masks[source], specific[source]
                )
                for source in sources
            ]
            last[target] = self.memory[target].last_step(torch.cat(towards, 2), masks[target])
        return last

    def read(self, parts: dict[Modality, Steps]) -> Tensor:
        """[B, sum of ``columns``]: everything the forward pass returns, side by side."""
        masks = {m: steps.mask_BL for m, steps in parts.items()}
        specific, pooled, common, errors_by_modality = {}, {}, [], []
        for m, steps in parts.items():
            s_BLD, c_BLD, errors = self.part[m](self.embed(m, steps), masks[m], self.shared)
            specific[m], pooled[m] = s_BLD, masked_mean(c_BLD, masks[m])
            common.append(self.shared_memory[m].last_step(c_BLD, masks[m]))
            errors_by_modality.append(errors)
        attended_BD = self.attended(specific, masks)
        shared_BD = torch.cat(common, 1)
        vectors = {"shared": shared_BD}
        vectors |= {f"homogeneous_{m}": x_BD for m, x_BD in pooled.items()}
        vectors |= {f"heterogeneous_{m}": x_BD for m, x_BD in attended_BD.items()}
        branches = [self.residual[name](x_BD) for name, x_BD in vectors.items()]
        fused = [self.project[m](x_BD).sigmoid() for m, x_BD in attended_BD.items()]
        z_BD = self.last(torch.cat((*fused, self.project["shared"](shared_BD).sigmoid()), 1))
        by_kind = [x for kind in zip(*errors_by_modality, strict=True) for x in kind]
        return torch.cat((*by_kind, *branches, z_BD), 1)
