"""Self-MM (Yu et al. 2021, AAAI, arXiv 2102.04830)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from torch import nn

from merbench.api import Config, Context, Modality, Tune
from merbench_baselines.fields import Dropout, LSTMTextWidth, VideoWidth, Width
from merbench_baselines.utterance_vectors import (
    LSTMReader,
    StateReader,
    TextReading,
    UtteranceFusion,
)

AudioWidth = Annotated[int, Field(ge=1), Tune(8, 64, log=True, modality="audio")]


class SelfMM(UtteranceFusion):
    """z = F*_m = ReLU(W [F_text; F_audio; F_video] + b) (section 3.2).

    F of audio and video: the last state of an LSTM, Linear; of text so too, or one state of a
    language model. ``aux`` as in ``UtteranceFusion``.
    """

    class Config(Config):
        width: Width = 128
        """Of z."""
        text: TextReading = "lstm"
        """How text is read: by an LSTM, or as the mean or the first of a language model's states.
        """
        lstm_text: LSTMTextWidth = 128
        """Width of the LSTM that reads text; no effect with another ``text``."""
        lstm_audio: AudioWidth = 16
        """Width of the LSTM that reads audio."""
        lstm_video: VideoWidth = 32
        """Width of the LSTM that reads video."""
        width_text: LSTMTextWidth = 64
        """Width of the text's vector F; no effect unless an LSTM reads it."""
        width_audio: AudioWidth = 16
        """Width of the audio's vector F."""
        width_video: VideoWidth = 32
        """Width of the video's vector F."""
        reader_dropout: Dropout = 0.0
        dropout: Dropout = 0.0
        """On the F, side by side."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        def reader(m: Modality, w: int) -> nn.Module:
            if m == "text" and config.text != "lstm":
                return StateReader(w, config.text)
            hidden, width = getattr(config, f"lstm_{m}"), getattr(config, f"width_{m}")
            return LSTMReader(w, hidden, width, config.reader_dropout)

        super().__init__({m: reader(m, w) for m, w in widths.items()}, widths)
        self.width = config.width
        self.fuse = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(sum(self.widths.values()), config.width),
            nn.ReLU(),
        )
