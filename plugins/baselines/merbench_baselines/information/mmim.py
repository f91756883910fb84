"""MMIM: multimodal InfoMax (Han et al. 2021, EMNLP, arXiv 2109.00412)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from torch import nn

from merbench.api import Config, Context, Modality, Tune
from merbench_baselines.fields import Dropout, LSTMTextWidth, Width
from merbench_baselines.utterance_vectors import (
    LSTMReader,
    StateReader,
    TextReading,
    UtteranceFusion,
)

Narrow = Annotated[int, Field(ge=4), Tune(8, 64, log=True)]


class MMIM(UtteranceFusion):
    """z = tanh(W_2 tanh(W_1 [h_text; h_audio; h_video] + b_1) + b_2) (section 3.3).

    h of audio and video: the end states of a BiLSTM, Linear; of text so too, or one state of a
    language model. ``aux`` as in ``UtteranceFusion``.
    """

    class Config(Config):
        width: Width = 128
        text: TextReading = "lstm"
        """How text is read: by an LSTM, or as the mean or the first of a language model's states.
        """
        lstm_text: LSTMTextWidth = 64
        """Width of each direction of the LSTM that reads text; no effect with another ``text``."""
        width_text: LSTMTextWidth = 64
        """Of the text where an LSTM reads it."""
        lstm: Narrow = 16
        """Width of each direction of the LSTMs that read audio and video."""
        reading: Narrow = 16
        """Width of h of audio and of video."""
        dropout: Dropout = 0.1

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        def reader(m: Modality, w: int) -> nn.Module:
            if m != "text":
                return LSTMReader(w, config.lstm, config.reading, 0.0, bidirectional=True)
            if config.text == "lstm":
                return LSTMReader(w, config.lstm_text, config.width_text, 0.0, bidirectional=True)
            return StateReader(w, config.text)

        super().__init__({m: reader(m, w) for m, w in widths.items()}, widths)
        self.width = config.width
        self.fuse = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(sum(self.widths.values()), config.width),
            nn.Tanh(),
            nn.Linear(config.width, config.width),
            nn.Tanh(),
        )
