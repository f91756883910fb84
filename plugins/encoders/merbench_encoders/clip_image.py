"""``clip-image``: CLIP's image tower on a few frames of a clip."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from merbench.api import Context, RequestError, Rows, Steps, StreamSpec, Tune
from merbench_encoders.clip import ClipConfig, clip_digest, joint_width, load_clip
from merbench_encoders.sequence import sinusoids, thin
from merbench_encoders.tower import Tower

_INSTEAD = "use a stream of video features (--stream video=NAME) or an untrained tower (--set encoder.video.pretrained=random)"


class Frames(NamedTuple):
    """``x_BTCHW`` float [B, T, 3, H, W], RGB in [0, 1] at the tower's image size; ``mask_BT`` bool, True = a real frame."""

    x_BTCHW: Tensor
    mask_BT: Tensor


class ClipImage(Tower):
    """Frames -> Steps [B, min(T, config.frames), D], D = CLIP's joint width.

    A step is the frame's embedding at length sqrt(D) (CLIP compares directions only) plus the sinusoids of its place among the frames.
    """

    class Config(ClipConfig):
        frames: Annotated[int, Field(ge=1), Tune(choices=(4, 8, 16))] = 8
        """Frames that a clip keeps at most, uniformly spaced."""

    mean_C11: Tensor
    scale_C11: Tensor
    place_TD: Tensor

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        net = load_clip(config, _INSTEAD).visual
        super().__init__(net, config.tuned)
        self.frames, self.width = config.frames, joint_width(config)
        self.register_buffer("mean_C11", torch.tensor(net.preprocess_cfg["mean"])[:, None, None], persistent=False)
        self.register_buffer("scale_C11", torch.tensor(net.preprocess_cfg["std"])[:, None, None], persistent=False)
        self.register_buffer("place_TD", sinusoids(config.frames, self.width), persistent=False)

    @staticmethod
    def pretrained(config: Config) -> dict[str, str]:
        """Name -> SHA-256 of the weights it starts from."""
        return clip_digest(config, _INSTEAD)

    def prepare(self, rows: Rows) -> Rows:
        raise RequestError(
            f"clip-image cannot read {rows.spec.name}: decoding raw clips is not in this version of merbench; "
            "use a stream of video features (--stream video=NAME)"
        )

    def forward(self, inputs: Frames) -> Steps:
        x_BTCHW, mask_BT = thin(*inputs, self.frames)
        z_BTD = x_BTCHW.new_zeros(*mask_BT.shape, self.width)
        if mask_BT.any():  # real frames only: the tower is what costs
            z_ND = self.net((x_BTCHW[mask_BT] - self.mean_C11) / self.scale_C11)
            z_BTD = z_BTD.to(z_ND.dtype).index_put((mask_BT,), F.normalize(z_ND, dim=-1) * math.sqrt(self.width))
        return Steps(z_BTD + self.place_TD[(mask_BT.cumsum(1) - 1).clamp(min=0)], mask_BT)
