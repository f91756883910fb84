"""``features``: a feature stream as it is."""

from __future__ import annotations

from torch import nn

from merbench.api import Config, Context, FeatureRows, RequestError, Steps, StreamSpec


class Features(nn.Module):
    """Feature rows -> Steps [B, L, D], D = the stream's width."""

    class Config(Config):
        pass

    frozen = True

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        super().__init__()
        if stream.width is None:
            raise RequestError(
                f"the stream {stream.name} of kind {stream.kind!r} has no features; "
                "choose an encoder for this kind"
            )
        self.width = stream.width
        self.measured: dict[str, float] = {}

    def prepare(self, rows: FeatureRows) -> FeatureRows:
        return rows

    def forward(self, inputs: Steps) -> Steps:
        return inputs
