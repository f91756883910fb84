"""``word-bilstm``: word vectors, then a trained BiLSTM."""

from __future__ import annotations

from merbench.api import Context, Steps, StreamSpec
from merbench_encoders.sequence import BiLSTM
from merbench_encoders.words.vectors import WordVectors


class WordBiLSTM(WordVectors):
    """Words -> Steps [B, L, config.width]."""

    class Config(WordVectors.Config, BiLSTM.Config):
        pass

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        super().__init__(config, context, stream)
        self.sequence = BiLSTM(config, self.width)
        self.width, self.frozen = config.width, False

    def forward(self, inputs: Steps) -> Steps:
        return self.sequence(super().forward(inputs))
