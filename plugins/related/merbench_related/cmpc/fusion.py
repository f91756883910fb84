"""Fusions ``cmpc`` and ``tgfe`` (Huang et al. 2020, arXiv 2010.00514)."""

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
    masked_mean,
    present_modalities,
)
from merbench_related.cmpc.comprehension import (
    ACTION,
    FILLER,
    Comprehension,
    ComprehensionConfig,
    Norm,
    Normalise,
    WordParser,
    pool_words,
)
from merbench_related.cmpc.feature_exchange import GuidePool, Round, StreamLSTM
from merbench_related.fields import Dropout
from merbench_related.layers import complete_real, in_order, real
from merbench_related.resampled_steps import resample


class ExchangeConfig(Config):
    width: Annotated[int, Field(ge=2), Tune(choices=(32, 64, 128))] = 64
    rounds: Annotated[int, Field(ge=0), Tune(0, 3)] = 2
    """Rounds of exchange, each with weights of its own; 0 = the streams never meet before the
    aggregation.
    """
    exchange: Literal["step", "pooled"] = "step"
    """``step``: streams are stretched to ``length`` steps and exchange step by step. ``pooled``:
    each keeps its length and sends its pooled vector.
    """
    length: Annotated[int, Field(ge=1), Tune(choices=(12, 24, 48))] = 24
    """Steps that every stream is stretched to; no effect with ``exchange=pooled``."""
    guided: bool = True
    """False: the gates do not know the words."""
    aggregate: Annotated[Literal["lstm", "mean"], Tune(choices=("lstm", "mean"))] = "lstm"
    """Over the streams in ``order``: an LSTM, or their mean."""
    order: tuple[Modality, ...] = ("video", "audio", "text")
    """Order of the modalities in the exchange and the aggregation; it must name each of the run's
    once.
    """
    norm: Norm = "rms"
    """Length of all normalised vectors; ``unit`` is the authors'."""
    dropout: Dropout = 0.2
    """On what is projected and on what the fusion returns."""


class Exchange(nn.Module):
    """Streams [B, L_m, D] and a guide [B, D] -> one vector [B, D], and one a stream [B, M, D].

    Rounds of exchange, aggregation over the streams, and a pool under the guide.
    """

    def __init__(self, names: tuple[Modality, ...], config: ExchangeConfig) -> None:
        super().__init__()
        self.names = tuple(in_order(config.order, names))
        self.step = config.exchange == "step"
        self.length = config.length
        self.rounds = nn.ModuleList(
            Round(self.names, config.width, config.exchange, config.guided, config.norm)
            for _ in range(config.rounds)
        )
        self.lstm = StreamLSTM(config.width) if config.aggregate == "lstm" else None
        self.pool = GuidePool(config.width)

    def forward(
        self, streams: Mapping[Modality, Steps], guide_BD: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """``(z [B, D], stream vectors [B, M, D], present [B, M] bool)``."""
        streams = {
            m: resample(streams[m], self.length) if self.step else streams[m] for m in self.names
        }
        for exchange in self.rounds:
            streams = exchange(streams, guide_BD)
        vectors_BMD = torch.stack([self.pool(s, guide_BD) for s in streams.values()], 1)
        present_BM = present_modalities(streams)
        if not self.step:
            streams = {
                m: Steps(vectors_BMD[:, i : i + 1], present_BM[:, i : i + 1])
                for i, m in enumerate(self.names)
            }
        any_BL = torch.stack([s.mask_BL for s in streams.values()]).any(0)
        z_BD = self.pool(Steps(self._aggregate(list(streams.values())), any_BL), guide_BD)
        return z_BD, vectors_BMD, present_BM

    def _aggregate(self, streams: list[Steps]) -> Tensor:
        if self.lstm is not None:
            return self.lstm(streams)
        x_BLMD = torch.stack([s.x_BLD for s in streams], 2)
        mask_BLM = torch.stack([s.mask_BL for s in streams], 2)
        return masked_mean(x_BLMD.flatten(0, 1), mask_BLM.flatten(0, 1)).unflatten(
            0, x_BLMD.shape[:2]
        )


class Projected(nn.Module):
    """Each modality in one width, its steps normalised, zeros on padding."""

    def __init__(self, widths: Mapping[Modality, int], config: ExchangeConfig) -> None:
        super().__init__()
        self.widths = widths
        self.project = nn.ModuleDict({m: nn.Linear(w, config.width) for m, w in widths.items()})
        self.dropout, self.normalise = nn.Dropout(config.dropout), Normalise(config.norm)

    def forward(self, parts: Mapping[Modality, Steps]) -> dict[Modality, Steps]:
        projected = {}
        for m, (x_BLD, mask_BL) in complete_real(parts, self.widths).items():
            x_BLD = self.normalise(self.project[m](self.dropout(x_BLD)))
            projected[m] = real(x_BLD, mask_BL)
        return projected


class CMPC(nn.Module):
    """Progressive comprehension of each non-verbal stream under the words, then text-guided
    exchange.

    Words are parsed into types; the words that are no fillers guide the exchange. ``aux``:
    ``stream_vectors`` [B, M, width] with ``stream_present`` [B, M] bool, for objectives that
    supervise each stream, and ``word_types`` [B, T, types] with ``word_mask`` [B, T] bool.
    """

    class Config(ExchangeConfig, ComprehensionConfig):
        pass

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.width = config.width
        self.projected = Projected(widths, config)
        self.parser = WordParser(config.width, ACTION + (config.segments > 0))
        self.comprehend = nn.ModuleDict({m: Comprehension(config) for m in widths if m != "text"})
        self.normalise = Normalise(config.norm)
        self.exchange = Exchange(tuple(widths), config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        projected = self.projected(parts)
        words = projected["text"]
        type_BTK = self.parser(words.x_BLD)
        telling_BT = 1 - type_BTK[..., FILLER]
        streams = {
            m: comprehend(projected[m], words, type_BTK)
            for m, comprehend in self.comprehend.items()
        }
        streams["text"] = Steps(words.x_BLD * telling_BT[..., None], words.mask_BL)
        guide_BD = self.normalise(pool_words(telling_BT, words))
        z_BD, vectors_BMD, present_BM = self.exchange(streams, guide_BD)
        aux = {
            "stream_vectors": vectors_BMD,
            "stream_present": present_BM,
            "word_types": type_BTK,
            "word_mask": words.mask_BL,
        }
        return Fused(self.dropout(z_BD)[:, None], aux)


class TGFE(nn.Module):
    """The exchange alone, over projected streams: what it brings without the comprehension.

    The guide is the mean word, or where a run has no text the mean of all streams. ``aux``:
    ``stream_vectors`` and ``stream_present`` as ``cmpc``.
    """

    class Config(ExchangeConfig):
        pass

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.width = config.width
        self.projected = Projected(widths, config)
        self.exchange = Exchange(tuple(widths), config)
        self.normalise, self.dropout = Normalise(config.norm), nn.Dropout(config.dropout)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        streams = self.projected(parts)
        guides = [streams["text"]] if "text" in streams else list(streams.values())
        guide_BD = torch.stack([masked_mean(*steps) for steps in guides]).mean(0)
        z_BD, vectors_BMD, present_BM = self.exchange(streams, self.normalise(guide_BD))
        aux = {"stream_vectors": vectors_BMD, "stream_present": present_BM}
        return Fused(self.dropout(z_BD)[:, None], aux)
