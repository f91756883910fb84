"""``feature-bilstm``: a trained BiLSTM over a feature stream."""

from __future__ import annotations

from merbench.api import Context, Steps, StreamSpec
from merbench_encoders.features.features import Features
from merbench_encoders.sequence import BiLSTM


class FeatureBiLSTM(Features):
    """Feature rows -> Steps [B, L, config.width]."""

    class Config(BiLSTM.Config):
        pass

    frozen = False

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        super().__init__(config, context, stream)
        self.sequence = BiLSTM(config, self.width)
        self.width = config.width

    def forward(self, inputs: Steps) -> Steps:
        return self.sequence(inputs)
