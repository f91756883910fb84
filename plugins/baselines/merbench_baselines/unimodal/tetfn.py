"""TETFN: text enhanced transformer fusion network (Wang et al. 2023, Pattern Recognition 136,
doi 10.1016/j.patcog.2022.109259).
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
    by_length,
    compact,
    complete,
    lstm_states,
    masked_max,
    present_modalities,
    require_heads,
)
from merbench_baselines.fields import (
    AudioDropout,
    AudioKernel,
    Dropout,
    Heads,
    Layers,
    TextKernel,
    VideoDropout,
    VideoKernel,
    VideoWidth,
    Width,
    by_modality,
)
from merbench_baselines.layers import convolutions, convolved
from merbench_baselines.transformer import Transformer


class TETFN(nn.Module):
    """z = ReLU(W [h_text; h_audio; h_video] + b), h_m the last step of a transformer over what m
    attends to: the text, and each other modality after that has attended to the text itself.

    x of text is a convolution over time, x of audio and video one over an LSTM's states. ``aux``:
    ``utterances`` [B, M * width], the maxima of x over time side by side (``widths`` has each as
    ``utterance.MODALITY``), and ``present`` [B, M].
    """

    class Config(Config):
        width: Annotated[int, Field(ge=1), Tune(choices=(30, 50, 60))] = 50
        """Of x."""
        heads: Heads = 5
        layers: Layers = 2
        enhanced: bool = True
        """Audio and video attend to each other as enhanced by the text; False: as they are."""
        lstm_audio: Annotated[int, Field(ge=1), Tune(8, 64, log=True, modality="audio")] = 16
        """Width of the LSTM that reads audio."""
        lstm_video: VideoWidth = 64
        """Width of the LSTM that reads video."""
        kernel_text: TextKernel = 1
        kernel_audio: AudioKernel = 1
        kernel_video: VideoKernel = 3
        fused: Width = 64
        """Width of z."""
        attn_dropout_text: Dropout = 0.1
        """Share of source steps zeroed in training, in attention to text and in the self-attention
        that follows for every modality.
        """
        attn_dropout_audio: AudioDropout = 0.0
        attn_dropout_video: VideoDropout = 0.1
        embed_dropout: Dropout = 0.0
        relu_dropout: Dropout = 0.0
        res_dropout: Dropout = 0.1
        out_dropout: Dropout = 0.0

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
        self.inputs, self.enhance_others = widths, config.enhanced
        hidden = by_modality(config, "lstm", [m for m in widths if m != "text"])
        self.lstm = nn.ModuleDict(
            {m: nn.LSTM(widths[m], h, batch_first=True) for m, h in hidden.items()}
        )
        self.convolve = convolutions({**widths, **hidden}, d, by_modality(config, "kernel", widths))
        attn = by_modality(config, "attn_dropout", widths)
        self.sources: dict[Modality, list[Modality]] = {
            m: [o for o in widths if o != m] for m in widths
        }
        self.cross, self.enhance = nn.ModuleDict(), nn.ModuleDict()
        for target, sources in self.sources.items():
            for source in sources:
                name = f"{source}_to_{target}"
                self.cross[name] = Transformer(d, config.layers, attn[source], config)
                if self.through_text(source, target):
                    self.enhance[name] = Transformer(d, 1, attn["text"], config)
        wide = d * (len(widths) - 1)
        self.memory = nn.ModuleDict(
            {m: Transformer(wide, config.layers, attn["text"], config) for m in widths}
        )
        self.fuse = nn.Sequential(
            nn.Dropout(config.out_dropout), nn.Linear(wide * len(widths), config.fused), nn.ReLU()
        )
        self.width = config.fused
        self.widths = {f"utterance.{m}": d for m in widths}
        self.columns = (d * len(widths), wide * len(widths))

    def through_text(self, source: Modality, target: Modality) -> bool:
        """True where the source has attended to the text before the target attends to it."""
        return self.enhance_others and "text" not in (source, target)

    def embed(self, m: Modality, steps: Steps) -> Tensor:
        if m in self.lstm:
            steps = Steps(lstm_states(self.lstm[m], steps), steps.mask_BL)
        return convolved(self.convolve[m], steps)

    def read(self, parts: dict[Modality, Steps]) -> Tensor:
        """[B, sum of ``columns``]: utterances and last steps, side by side."""
        x = {m: self.embed(m, steps) for m, steps in parts.items()}
        utterances = [masked_max(x[m], steps.mask_BL) for m, steps in parts.items()]
        last = []
        for target, sources in self.sources.items():
            towards = []
            for source in sources:
                name, source_BSD = f"{source}_to_{target}", x[source]
                if name in self.enhance:
                    source_BSD = self.enhance[name](source_BSD, parts["text"].mask_BL, x["text"])
                towards.append(self.cross[name](x[target], parts[source].mask_BL, source_BSD))
            found_BTD, mask_BT = torch.cat(towards, 2), parts[target].mask_BL
            last.append(self.memory[target].last_step(found_BTD, mask_BT))
        return torch.cat((*utterances, *last), 1)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        steps = {m: compact(s) for m, s in complete(parts, self.inputs).items()}
        utterances_BC, last_BC = by_length(self.read, steps, attends=True).split(self.columns, 1)
        present_BM = present_modalities(steps)
        aux = {"utterances": utterances_BC, "present": present_BM}
        return Fused(self.fuse(last_BC)[:, None], aux)
