"""EMT: efficient multimodal transformer, the fusion of EMT-DLFR (Sun et al. 2023, IEEE Transactions
on Affective Computing, arXiv 2208.07589).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from merbench.api import (
    Config,
    Context,
    Fused,
    Modality,
    Queries,
    RequestError,
    Steps,
    Tune,
    attendable,
    complete,
    last_step,
    lstm_states,
    masked_softmax,
    present_modalities,
    require_heads,
)
from merbench_baselines.attention import Attention
from merbench_baselines.fields import AudioWidth, Dropout, Layers, LSTMTextWidth, VideoWidth
from merbench_baselines.fusions.mult import positions
from merbench_baselines.incomplete.tfr_net import spans
from merbench_baselines.utterance_vectors import TextReading

MOST_STATES_KEPT = 2**20
"""Numbers of states beyond which what GEGLU makes of them, twenty times as many, is computed again
on the way back and not kept: 3 layers and 2 views of long streams would take gigabytes."""


class Promotion(nn.Module):
    """Half of a mutual promotion unit: x attends to a source, then to itself, then GEGLU; each
    reads what is normed and is added.
    """

    def __init__(self, config: EMT.Config) -> None:
        super().__init__()
        d, wide = config.width, config.width * config.expansion
        self.norm, self.norm_source = nn.LayerNorm(d), nn.LayerNorm(d)
        self.norm_self, self.norm_f = nn.LayerNorm(d), nn.LayerNorm(d)
        self.cross = Attention(d, config.heads, config.attn_dropout)
        self.itself = Attention(d, config.heads, config.attn_dropout)
        self.into, self.out = nn.Linear(d, 2 * wide), nn.Linear(wide, d)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x_BTD: Tensor, mask_BT: Tensor, source_BSD: Tensor, mask_BS: Tensor
    ) -> Tensor:
        x_BTD = x_BTD + self.cross(self.norm(x_BTD), self.norm_source(source_BSD), mask_BS)
        n_BTD = self.norm_self(x_BTD)
        x_BTD = x_BTD + self.itself(n_BTD, n_BTD, mask_BT)
        if torch.is_grad_enabled() and x_BTD.numel() > MOST_STATES_KEPT:
            return x_BTD + checkpoint(self.widened, x_BTD, use_reentrant=False)
        return x_BTD + self.widened(x_BTD)

    def widened(self, x_BTD: Tensor) -> Tensor:
        h, gate = self.into(self.norm_f(x_BTD)).chunk(2, 2)
        return self.dropout(self.out(h * nn.functional.gelu(gate)))


class StreamReader(nn.Module):
    """Steps -> states [B, L, width] and one vector [B, width]: an LSTM's, or of a language model
    its states and their first.
    """

    def __init__(self, width_in: int, hidden: int, width: int, reading: TextReading) -> None:
        super().__init__()
        self.reading = reading
        self.width = width if reading == "lstm" else width_in
        if reading == "lstm":
            self.lstm = nn.LSTM(width_in, hidden, batch_first=True)
            self.out = nn.Linear(hidden, width)

    def forward(self, steps: Steps) -> tuple[Tensor, Tensor]:
        # A missing step is one without content: the LSTM passes it.
        x_BLD = torch.where(steps.mask_BL[..., None], steps.x_BLD, 0.0)
        if self.reading == "first":
            return x_BLD, x_BLD[:, 0]
        span_BL = spans(steps.mask_BL)
        states_BLD = self.out(lstm_states(self.lstm, Steps(x_BLD, span_BL)))
        return states_BLD, last_step(states_BLD, span_BL)


class EMT(nn.Module):
    """z = a vector a modality and the global context tokens [B, M, width], side by side. In every
    layer the steps of each modality attend to the tokens, and the tokens to the steps; what the
    tokens become is pooled over the modalities that a row has.

    ``aux``: ``restored.MODALITY`` [B, L, width], the steps after the last layer; ``attracted``, the
    parts of z (``widths`` has each as ``attracted.NAME``); ``present`` [B, M].
    """

    class Config(Config):
        width: Annotated[int, Field(ge=1), Tune(choices=(32, 64, 128))] = 128
        layers: Layers = 3
        heads: Annotated[int, Field(ge=1), Tune(choices=(2, 4, 8))] = 4
        expansion: Annotated[int, Field(ge=1), Tune(choices=(1, 2, 4))] = 4
        """Width of the feed-forward's hidden layer, as a multiple of ``width``."""
        shared: bool = True
        """One unit in all layers, for all modalities and in both directions; False: one each."""
        text: TextReading = "lstm"
        """How text is read: by an LSTM, or as a language model's states and the first of them; not
        ``mean``.
        """
        lstm_text: LSTMTextWidth = 128
        """Width of the LSTM that reads text; no effect with ``text=first``."""
        lstm_audio: AudioWidth = 32
        """Width of the LSTM that reads audio."""
        lstm_video: VideoWidth = 64
        """Width of the LSTM that reads video."""
        vector_text: LSTMTextWidth = 64
        """Width of the text's states and of its vector; no effect with ``text=first``."""
        vector_audio: AudioWidth = 16
        """Width of the audio's states and of its vector."""
        vector_video: VideoWidth = 32
        """Width of the video's states and of its vector."""
        attn_dropout: Dropout = 0.3
        dropout: Dropout = 0.1
        out_dropout: Dropout = 0.3

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        require_heads("fusion", config.width, config.heads)
        if config.text == "mean":
            raise RequestError("emt: fusion.text is lstm or first; choose one of them")
        self.inputs = widths
        count = len(widths)

        def reader(m: Modality, width: int) -> StreamReader:
            reading: TextReading = config.text if m == "text" else "lstm"
            hidden, out = getattr(config, f"lstm_{m}"), getattr(config, f"vector_{m}")
            return StreamReader(width, hidden, out, reading)

        self.read = nn.ModuleDict({m: reader(m, w) for m, w in widths.items()})
        vectors: dict[str, int] = {m: self.read[m].width for m in widths}  # type: ignore[misc]
        self.project = nn.ModuleDict(
            {m: nn.Linear(w, config.width, bias=False) for m, w in vectors.items()}
        )
        names = [f"{m}{to}" for m in widths for to in ("", "_to_context")]
        shared = Promotion(config) if config.shared else None
        self.units = nn.ModuleList(
            nn.ModuleDict({name: shared or Promotion(config) for name in names})
            for _ in range(config.layers)
        )
        wide = count * config.width

        def pooling() -> nn.Sequential:
            return nn.Sequential(nn.Linear(wide, wide), nn.Tanh(), nn.Linear(wide, 1))

        shared_pooling = pooling() if config.shared else None
        self.pools = nn.ModuleList(shared_pooling or pooling() for _ in range(config.layers))
        self.dropout = nn.Dropout(config.out_dropout)
        self.width = sum(vectors.values()) + wide
        parts = {**vectors, "context": wide}
        self.widths = {f"attracted.{name}": w for name, w in parts.items()}
        self.widths |= {f"restored.{m}": config.width for m in widths}

    def pooled(self, pool: nn.Module, tokens_BKMD: Tensor, present_BM: Tensor) -> Tensor:
        """[B, M, D]: the tokens that each modality led to, averaged by learned weights over those
        that a row has.
        """
        weight_BK = masked_softmax(pool(tokens_BKMD.flatten(2))[..., 0], attendable(present_BM))
        return (weight_BK[..., None, None] * tokens_BKMD).sum(1)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        steps = complete(parts, self.inputs)
        masks = {m: s.mask_BL for m, s in steps.items()}
        present_BM = present_modalities(steps)
        states, vectors = {}, {}
        for (m, s), present_B in zip(steps.items(), present_BM.unbind(1), strict=True):
            states_BLE, vector_BE = self.read[m](s)
            vectors[m] = torch.where(present_B[:, None], vector_BE, 0.0)
            x_BLD = self.project[m](states_BLE)
            states[m] = x_BLD + positions(x_BLD.shape[1], x_BLD.shape[2], x_BLD.device)
        tokens_BMD = torch.stack([self.project[m](v_BE) for m, v_BE in vectors.items()], 1)
        every_BM = torch.ones_like(present_BM)
        for units, pool in zip(self.units, self.pools, strict=True):
            promoted = []
            for m, x_BLD in states.items():
                states[m] = units[m](x_BLD, masks[m], tokens_BMD, every_BM)
                promoted.append(units[f"{m}_to_context"](tokens_BMD, every_BM, x_BLD, masks[m]))
            tokens_BMD = self.pooled(pool, torch.stack(promoted, 1), present_BM)
        attracted_BC = torch.cat((*vectors.values(), tokens_BMD.flatten(1)), 1)
        aux = {f"restored.{m}": x_BLD for m, x_BLD in states.items()}
        aux |= {"attracted": attracted_BC, "present": present_BM}
        return Fused(self.dropout(attracted_BC)[:, None], aux)
