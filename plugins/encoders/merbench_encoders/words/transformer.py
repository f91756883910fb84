"""``word-transformer``: word vectors, then a small trained transformer."""

from __future__ import annotations

from merbench.api import Context, Steps, StreamSpec
from merbench_encoders.sequence import Transformer
from merbench_encoders.words.vectors import WordVectors


class WordTransformer(WordVectors):
    """Words -> Steps [B, min(L, longest), config.width]."""

    class Config(WordVectors.Config, Transformer.Config):
        pass

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        super().__init__(config, context, stream)
        self.sequence = Transformer(config, self.width)
        self.width, self.frozen = config.width, False

    def forward(self, inputs: Steps) -> Steps:
        return self.sequence(super().forward(inputs))
